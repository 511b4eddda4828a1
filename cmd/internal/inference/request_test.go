package inference

import (
	"errors"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whatever a body holds, it is refused with a status that blames the client, or gives samples of the right size.
func FuzzRequest(f *testing.F) {
	kind, body := form("a.png", string(picture(1, 2, 3, 4)), "b.npy", string(array(2)))
	f.Add(kind, body)
	f.Add("image/png", picture(1, 2, 3, 4))
	f.Add("application/x-npy", array(3))
	f.Add("application/octet-stream", array(1)[:100])
	f.Add("application/json", []byte(`{"images":["aGVsbG8=",""]}`))
	f.Add("application/json", []byte(`{"inputs":[[[[1,2],[3,-4e-3]]],[[[0.5, 1E2],[3,4]]]]}`))
	f.Add("application/json", []byte(`{"inputs":[[[[1,2],[3,4,5]]],[]]}`))
	f.Add("application/json", []byte(`{"inputs":[[[[1,[2]],{"3":4}]]]}`))
	f.Add("application/json", []byte(`{"inputs":null,"images":null}`))
	f.Add("multipart/form-data; boundary=\"a b\"", []byte("--a b\r\n\r\n--a b--"))
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		const most = 5
		inputs, err := parse(kind, body, echo.Sample, most)
		if err != nil {
			var told *failure
			if !errors.As(err, &told) || told.code < 400 || told.code > 499 || len(err.Error()) > 1000 {
				t.Fatalf("%v", err)
			}
			return
		}
		if len(inputs) < 1 || len(inputs) > most {
			t.Fatalf("%d inputs", len(inputs))
		}
		for i, in := range inputs {
			if (in.picture == nil) == (in.values == nil) || in.values != nil && len(in.values) != 4 || notFinite(in.values) >= 0 {
				t.Fatalf("input %d is %+v", i, in)
			}
		}
	})
}

// A form that is cut anywhere is refused as a whole.
func TestCutForms(t *testing.T) {
	kind, body := form("a.png", "hello\r\nworld", "b", string(array(2)), "c", "xyz")
	for n := range len(body) - len("\r\n") {
		_, err := parse(kind, body[:n], echo.Sample, 8)
		require.Equal(t, 400, statusOf(err), "%d of %d bytes: %v", n, len(body), err)
	}
	inputs, err := parse(kind, body, echo.Sample, 8)
	require.NoError(t, err)
	require.Len(t, inputs, 4)
}

// Lists are read as encoding/json reads numbers.
func TestListsOfNumbers(t *testing.T) {
	for _, text := range []string{"0", "-0", "1", "0.1", "1e-50", "3.4028235e38", "16777217", "0.000000000000000000000000000000000000011754944", "1E+5"} {
		p := &parser{sample: []int{1}, most: 1}
		require.NoError(t, p.lists([]byte(" [ [ "+text+" ] ] ")), text)
		want, err := strconv.ParseFloat(text, 32)
		require.NoError(t, err)
		require.Equal(t, []float32{float32(want)}, p.found[0].values, text)
	}
}
