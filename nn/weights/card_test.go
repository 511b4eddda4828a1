package weights

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"
)

func TestReadCardGivesBackWhatSaveWrote(t *testing.T) {
	path := filepath.Join(t.TempDir(), "w")
	for name, card := range map[string]*Card{
		"none":       nil,
		"classes":    {Model: "cnn-small", Outputs: 3, Sample: tensor.Shape{1, 28, 28}, Scale: 1.0 / 255, ClassNames: []string{"a", `"<é>&`, ""}},
		"pictures":   {Model: "resnet18", Outputs: 2, Sample: tensor.Shape{3, 224, 200}, Scale: 1.0 / 255, Mean: []float32{0.485, 0.456, 0.406}, Deviation: []float32{0.229, 0.224, 0.225}, Resize: 256},
		"regression": {Model: "mlp", Outputs: 1, Regression: true, Sample: tensor.Shape{4, 1, 1}},
	} {
		require.NoError(t, Save(path, nil, card), name)
		read, err := ReadCard(path)
		require.NoError(t, err, name)
		require.Equal(t, card, read, name)
	}
}

func TestDamagedCard(t *testing.T) {
	for _, c := range []struct{ card, want string }{
		{``, "card is damaged: unexpected end of JSON input"},
		{`{"model":"m"`, "card is damaged: unexpected end of JSON input"},
		{`{"outputs":"ten"}`, "card is damaged: json: cannot unmarshal string"},
		{`{"outputs":` + strings.Repeat("9", 1<<16) + `}`, "card is damaged: json: cannot unmarshal number"},
		{`{}`, "card says samples of 0 dimensions, expected 3: [C, H, W]"},
		{`null`, "card says samples of 0 dimensions"},
		{`{"outputs":1,"sample":[1,2,-3]}`, "card says samples [1 2 -3] and 1 outputs, expected none below 1"},
		{`{"outputs":1,"sample":[1,2,3],"scale":1e39}`, "card is damaged: json: cannot unmarshal number 1e39"},
		{`{"outputs":1,"sample":[1,2,3],"scale":-1}`, "card says scale -1"},
		{`{"outputs":1,"sample":[3,2,3],"mean":[1,2,3]}`, "card says 3 means and 0 deviations, expected none or 3, one for each channel"},
		{`{"outputs":1,"sample":[3,2,3],"mean":[1,2],"deviation":[1,2]}`, "card says 2 means and 2 deviations"},
		{`{"outputs":1,"sample":[1,2,3],"mean":[1],"deviation":[0]}`, "card says mean 1 and deviation 0 for channel 0"},
		{`{"outputs":1,"sample":[1,20,30],"resize":19}`, "card says pictures are resized to 19, expected 0 or 20 to 65536"},
		{`{"outputs":1,"sample":[1,20,30],"resize":1000000}`, "card says pictures are resized to 1000000"},
		{`{"outputs":1,"sample":[1,2,3],"class_names":["a","b"]}`, "card has 2 class names for 1 outputs"},
	} {
		text, err := json.Marshal(map[string]any{"__metadata__": map[string]string{cardKey: c.card}})
		require.NoError(t, err)
		path := write(t, assemble(string(text), nil))
		card, err := ReadCard(path)
		require.ErrorContains(t, err, "weights "+path+": "+c.want, "card %.80s", c.card)
		require.Less(t, len(err.Error()), 500)
		require.Nil(t, card)
	}
}
