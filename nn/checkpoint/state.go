package checkpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"fovea/nn/fit"
)

// version is that of the format, which grows with each change that this program could not read.
const version = 1

// maxState bounds state.json: an epoch adds its validation loss, some twenty bytes.
const maxState = 32 << 20

// document is state.json.
type document struct {
	Version int        `json:"version"`
	State   *fit.State `json:"state"`
}

func encodeState(w io.Writer, s *fit.State) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(document{version, s})
}

// VersionError says that a checkpoint is in a format that this program does not know.
type VersionError struct{ Version int }

func (e *VersionError) Error() string {
	return fmt.Sprintf("format version %d, this program reads %d: a newer program wrote it", e.Version, version)
}

// decodeState reads what encodeState writes. The version comes first: another one may have other fields.
func decodeState(text []byte) (*fit.State, error) {
	var said struct {
		Version *int `json:"version"`
	}
	if err := json.Unmarshal(text, &said); err != nil {
		return nil, damaged{err}
	}
	switch {
	case said.Version == nil || *said.Version < 1:
		return nil, damaged{fmt.Errorf("no format version in it, expected 1 to %d", version)}
	case *said.Version > version:
		return nil, &VersionError{*said.Version}
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	var whole document
	if err := decoder.Decode(&whole); err != nil {
		return nil, damaged{err}
	}
	if whole.State == nil {
		return nil, damaged{errors.New("no state in it")}
	}
	return whole.State, nil
}
