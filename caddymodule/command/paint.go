package command

import (
	"bytes"
	"io"
	"os"
	"regexp"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// colours are those of an event's states on a terminal, as it numbers them.
var colours = map[string]string{"held": "33", "dead": "31", "pending": "36", "delivered": "32", "discarded": "2", "filtered": "2"}

// aState finds one that stands for itself: in a column, or behind a comma or a colon.
var aState = regexp.MustCompile(`(^|  |, |: )(held|dead|pending|delivered|discarded|filtered)(  | \(|[:,]|$)`)

// marks are those of a finding's result.
var marks = map[string]string{"✓": "32", "✗": "31", "!": "33", "?": "36"}

// aMark finds one at the beginning of a line.
var aMark = regexp.MustCompile(`^(✓|✗|!|\?) `)

// painter colours states and marks, line by line. It stands behind what escapes: nothing from outside brings a colour of its own, and none changes a width.
type painter struct {
	w    io.Writer
	line []byte // that has not ended yet
}

func (p *painter) Write(text []byte) (int, error) {
	p.line = append(p.line, text...)
	end := bytes.LastIndexByte(p.line, '\n') + 1
	for line := range bytes.Lines(p.line[:end]) {
		if err := p.paint(line); err != nil {
			return 0, err
		}
	}
	p.line = append([]byte(nil), p.line[end:]...)
	return len(text), nil
}

func (p *painter) paint(line []byte) error {
	if mark := aMark.FindSubmatch(line); mark != nil {
		name := string(mark[1])
		line = append([]byte("\x1b["+marks[name]+"m"+name+"\x1b[0m"), line[len(name):]...)
	}
	_, err := p.w.Write(aState.ReplaceAllFunc(bytes.TrimSuffix(line, []byte("\n")), func(found []byte) []byte {
		parts := aState.FindSubmatch(found)
		return []byte(string(parts[1]) + "\x1b[" + colours[string(parts[2])] + "m" + string(parts[2]) + "\x1b[0m" + string(parts[3]))
	}))
	if err == nil && bytes.HasSuffix(line, []byte("\n")) {
		_, err = p.w.Write([]byte("\n"))
	}
	return err
}

// end writes what has no line end.
func (p *painter) end() error {
	rest := p.line
	p.line = nil
	return p.paint(rest)
}

// coloured says whether a command's tables are: on a terminal that shows colours to a person who wants them.
func coloured(cmd *cobra.Command) bool {
	f, ok := cmd.OutOrStdout().(*os.File)
	asJSON, _ := cmd.Flags().GetBool("json")
	return ok && !asJSON && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(f.Fd()))
}
