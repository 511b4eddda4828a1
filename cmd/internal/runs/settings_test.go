package runs

import "testing"

func FuzzSettings(f *testing.F) {
	f.Add([]byte("model: mlp\nepochs: 3\nlr: 1e-2\nno-shuffle: true\nseed: 18446744073709551615\ndata: \"npz:x y.npz\"\n"), false)
	f.Add([]byte("model = 'mlp'\nepochs = 3\nlr = 0.01\nno-shuffle = true\nseed = 12\ndata = \"npz:x y.npz\"\n"), true)
	f.Add([]byte("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"), false)
	f.Fuzz(func(t *testing.T, content []byte, toml bool) {
		extension := ".yaml"
		if toml {
			extension = ".toml"
		}
		parseSettings(content, extension)
	})
}
