package inference

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/cmd/internal/programtest"
	_ "fovea/device/all"
)

// What a client does wrong is told in JSON, with the status for it, and hurts nobody.
func TestClientsMistakes(t *testing.T) {
	s := serve(t, func(c *Config) { c.MaxBody, c.MaxPixels = 20_000, 100 })
	good := picture(1, 2, 3, 4)
	damagedForm, damaged := form("good.png", string(good), "bad.png", string(good[:len(good)-20]))
	_, unended := form("a.png", string(good))
	boundary := "multipart/form-data; boundary=" + string(unended[2:bytes.IndexByte(unended, '\r')])
	field := "--x\r\nContent-Disposition: form-data; name=\"top_k\"\r\n\r\n3\r\n--x--\r\n"
	nan := programtest.Array{Shape: []int{1, 1, 2, 2}, Values: []float32{1, 2, float32(nan()), 4}}.Npy()
	wide := programtest.Array{Shape: []int{1, 1, 2, 2}, Values: []float64{1, 2, 3, 4}}.Npy()
	const js = "application/json"
	for _, row := range []struct {
		name, method, path, kind string
		body                     string
		code                     int
		want                     string // the error
	}{
		{"path", "POST", "/predictions", "image/png", "", 404, `no "/predictions" here, expected one of / /predict /model /healthz /readyz /metrics`},
		{"path climbs", "GET", "/../etc/passwd", "", "", 404, `no "/../etc/passwd" here`},
		{"method", "GET", "/predict", "image/png", "", 405, `method "GET", expected POST`},
		{"method of the rest", "POST", "/metrics", "image/png", "", 405, `method "POST", expected GET or HEAD`},
		{"type", "POST", "/predict", "text/plain", string(good), 415, `Content-Type "text/plain", expected image/png, image/jpeg`},
		{"curl's type", "POST", "/predict", "application/x-www-form-urlencoded", string(good), 415, `Content-Type "application/x-www-form-urlencoded", expected image/png`},
		{"no type", "POST", "/predict", "", string(good), 415, `Content-Type "", expected image/png`},
		{"empty", "POST", "/predict", "image/png", "", 422, "the body: not a picture, expected PNG, JPEG or GIF"},
		{"no picture", "POST", "/predict", "image/png", "hello", 422, "the body: not a picture, expected PNG, JPEG or GIF"},
		{"damaged", "POST", "/predict", "image/png", string(good[:len(good)-20]), 422, "the body: damaged picture: "},
		{"too many pixels", "POST", "/predict", "image/png", string(picture(make([]uint8, 102)...)), 422, "the body: a picture of 2 x 51, expected 1 to 100 pixels"},
		{"too large", "POST", "/predict", "image/png", strings.Repeat("x", 20_001), 413, "a body of 20001 bytes, expected at most 20000"},
		{"as large as may be", "POST", "/predict", "image/png", strings.Repeat("x", 20_000), 422, "not a picture"},
		{"too many rows", "POST", "/predict", "application/x-npy", string(array(9)), 413, "more than 8 inputs, expected at most that"},
		{"too many lists", "POST", "/predict", js, `{"inputs":[` + strings.TrimSuffix(strings.Repeat("[[[1,2],[3,4]]],", 9), ",") + `]}`, 413, "more than 8 inputs, expected at most that"},
		{"array cut short", "POST", "/predict", "application/x-npy", string(array(1)[:140]), 422, `npy "": shape`},
		{"array of NaN", "POST", "/predict", "application/x-npy", string(nan), 422, `npy "": value 2 of row 0 is NaN, expected finite numbers`},
		{"array of float64", "POST", "/predict", "application/x-npy", string(wide), 422, `npy "": elements are float64, expected float32`},
		{"array of other samples", "POST", "/predict", "application/x-npy", string(programtest.Array{Shape: []int{1, 2, 2}, Values: []float32{1, 2, 3, 4}}.Npy()), 422, "shape (1, 2, 2), expected [N, C, H, W] with samples (1, 2, 2)"},
		{"one of a form damaged", "POST", "/predict", damagedForm, string(damaged), 422, "bad.png: damaged picture: "},
		{"form that does not end", "POST", "/predict", boundary, string(unended[:len(unended)-10]), 400, "malformed form: "},
		{"form without boundary", "POST", "/predict", "multipart/form-data", string(unended), 400, "multipart/form-data without a boundary"},
		{"form without files", "POST", "/predict", "multipart/form-data; boundary=x", "--x--\r\n", 400, "no inputs in the body, expected 1 to 8"},
		{"form with a field", "POST", "/predict", "multipart/form-data; boundary=x", field, 400, `field "top_k" of the form is no file, expected files only`},
		{"JSON cut short", "POST", "/predict", js, `{"images":["`, 400, "malformed JSON: unexpected EOF"},
		{"JSON of nothing", "POST", "/predict", js, `{}`, 400, "no inputs in the body, expected 1 to 8"},
		{"JSON of null", "POST", "/predict", js, `null`, 400, "no inputs in the body, expected 1 to 8"},
		{"JSON list", "POST", "/predict", js, `[1]`, 400, "malformed JSON: json: cannot unmarshal array"},
		{"JSON with more", "POST", "/predict", js, `{"inputs":[]} x`, 400, "malformed JSON: more follows after the object"},
		{"JSON unknown", "POST", "/predict", js, `{"instances":[]}`, 400, `malformed JSON: json: unknown field "instances"`},
		{"JSON of both", "POST", "/predict", js, `{"images":[],"inputs":[]}`, 400, `"images" and "inputs", expected one or the other`},
		{"base64", "POST", "/predict", js, `{"images":["data:image/png;base64,aaaa"]}`, 400, "images[0]: illegal base64 data at input byte 4, expected a picture in base64 and nothing before it"},
		{"base64 of no picture", "POST", "/predict", js, `{"images":["` + encoded(good) + `","aGVsbG8="]}`, 422, "images[1]: not a picture, expected PNG, JPEG or GIF"},
		{"no lists", "POST", "/predict", js, `{"inputs":7}`, 422, `inputs: found "7", expected a list of samples (samples are [1 2 2])`},
		{"lists too flat", "POST", "/predict", js, `{"inputs":[[1,2,3,4]]}`, 422, `inputs[0][0]: found "1,2,3,4]]", expected a list of 2`},
		{"lists too deep", "POST", "/predict", js, `{"inputs":[[[[[1],2],[3,4]]]]}`, 422, `inputs[0][0][0][0]: found "[1],2],[3,4]]]]", expected a number that fits float32`},
		{"lists too short", "POST", "/predict", js, `{"inputs":[[[[1,2],[3,4]]],[[[1,2],[3]]]]}`, 422, `inputs[1][0][1]: 1 elements, expected 2 (samples are [1 2 2])`},
		{"lists too long", "POST", "/predict", js, `{"inputs":[[[[1,2],[3,4],[5,6]]]]}`, 422, `inputs[0][0]: more elements, expected 2`},
		{"lists of nothing", "POST", "/predict", js, `{"inputs":[[]]}`, 422, `inputs[0]: 0 elements, expected 1`},
		{"text in lists", "POST", "/predict", js, `{"inputs":[[[[1,"2"],[3,4]]]]}`, 422, `inputs[0][0][0][1]: found "\"2\"],[3,4]]]]", expected a number that fits float32`},
		{"number too large", "POST", "/predict", js, `{"inputs":[[[[1,1e39],[3,4]]]]}`, 422, `inputs[0][0][0][1]: found "1e39],[3,4]]]]", expected a number that fits float32`},
		{"top_k", "POST", "/predict?top_k=0", "image/png", string(good), 400, `"top_k=0" in the address, expected ?top_k=N`},
		{"two of them", "POST", "/predict?top_k=1&top_k=2", "image/png", string(good), 400, `"top_k=1&top_k=2" in the address, expected ?top_k=N`},
		{"query", "POST", "/predict?model=2", "image/png", string(good), 400, `"model=2" in the address, expected ?top_k=N`},
	} {
		r, err := s.ask(row.method, row.path, row.kind, []byte(row.body))
		require.NoError(t, err, row.name)
		require.Equal(t, row.code, r.code, "%s: %s", row.name, r.body)
		var told struct{ Error string }
		require.NoError(t, json.Unmarshal([]byte(r.body), &told), "%s: %s", row.name, r.body)
		require.Contains(t, told.Error, row.want, row.name)
		require.Equal(t, row.code == 405, r.header.Get("Allow") != "", row.name)
		require.Equal(t, 200, s.post(t, "image/png", good).code, "after %s", row.name)
	}
	packed, err := http.NewRequest("POST", s.url+"/predict", bytes.NewReader(good))
	require.NoError(t, err)
	packed.Header.Set("Content-Encoding", "gzip")
	packed.Header.Set("Content-Type", "image/png")
	response, err := http.DefaultClient.Do(packed)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, 415, response.StatusCode)
	// A body that does not say how long it is.
	response, err = http.Post(s.url+"/predict", "image/png", io.MultiReader(strings.NewReader(strings.Repeat("x", 20_001))))
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, 413, response.StatusCode)
	require.NoError(t, s.stop())
	require.NotContains(t, s.log.String(), "level=ERROR")
}

func nan() (v float64) { return v / v }
