package cli

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The table of docs/networks.md is what --model list prints.
func TestListIsDocumented(t *testing.T) {
	var list bytes.Buffer
	require.NoError(t, ListModels(&list))
	text, err := os.ReadFile("../../../docs/networks.md")
	require.NoError(t, err)
	require.True(t, strings.Contains(string(text), "\n```text\n"+list.String()+"```\n"), "docs/networks.md has another table than\n%s", list.String())
}

func TestListToABrokenPipe(t *testing.T) {
	require.ErrorContains(t, ListModels(broken{}), "broken pipe")
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }
