package relay

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// Expect is what a receipt says besides its 2xx. The zero value expects nothing: any 2xx will do that is neither an HTML page nor PHP's
// error message.
type Expect struct {
	// Body is the whole answer, compared without case and surrounding white space, within its first 4 KiB. The same word as a JSON string
	// will do, and so will XML whose only text it is, or whose return_code (and result_code, if it has one) it is.
	Body string

	// Path leads to a member of the answer's JSON, in gjson's syntax, which must have one of Values, compared without case: for backends
	// that answer 200 to everything. Numbers are compared as they are written. Within the first 64 KiB.
	Path   string
	Values []string
}

// limit is how many bytes of an answer are looked at.
func (e Expect) limit() int {
	if e.Path != "" {
		return drained
	}
	return judged
}

// check returns why an answer is not what is expected.
func (e Expect) check(status int, text []byte) verdict {
	text = bytes.TrimSpace(text)
	switch word := strings.TrimSpace(e.Body); {
	case e.Path != "":
		return e.checkJSON(status, text)
	case word != "" && !strings.EqualFold(string(text), word) && !isJSONString(text, word) && !isXML(text, word):
		return refused("your backend answered %d but not %q", status, word)
	}
	return verdict{}
}

func (e Expect) checkJSON(status int, text []byte) verdict {
	if len(text) >= drained {
		return refused("your backend answered %d with more than %d KiB, which is too long to look for %s in", status, drained>>10, e.Path)
	}
	if !gjson.ValidBytes(text) {
		return refused("your backend answered %d but not with JSON, in which %s was expected", status, e.Path)
	}
	found := gjson.GetBytes(text, e.Path)
	if !found.Exists() {
		return refused("your backend answered %d without %s, which was expected to be %s", status, e.Path, strings.Join(e.Values, " or "))
	}
	value := found.Raw
	if found.Type == gjson.String {
		value = strings.TrimSpace(found.Str)
	}
	if !slices.ContainsFunc(e.Values, func(want string) bool { return strings.EqualFold(value, strings.TrimSpace(want)) }) {
		v := refused("your backend answered %d, but its %s is not %s", status, e.Path, strings.Join(e.Values, " or "))
		v.detail = fmt.Sprintf("it is %q", printable([]byte(value), 100))
		return v
	}
	return verdict{}
}

func isJSONString(text []byte, word string) bool {
	var s string
	return len(text) > 0 && text[0] == '"' && json.Unmarshal(text, &s) == nil && strings.EqualFold(strings.TrimSpace(s), word)
}

// isXML says whether a whole document says the word: as its only text, or in the form in which WeChat wants its own notifications
// answered, where return_code only says that the message came through if there is a result_code beside it.
func isXML(text []byte, word string) bool {
	if len(text) == 0 || text[0] != '<' {
		return false
	}
	root, codes, ok := readXML(text)
	if !ok {
		return false
	}
	if len(codes) == 0 {
		return strings.EqualFold(root, word)
	}
	result, split := codes["result_code"]
	return strings.EqualFold(codes["return_code"], word) && (!split || strings.EqualFold(result, word))
}

// readXML returns the text of a document's root, and that of each element right below it; ok is false when it is no whole document, or
// says something twice.
func readXML(text []byte) (root string, below map[string]string, ok bool) {
	d := xml.NewDecoder(bytes.NewReader(text))
	d.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil } // the words are ASCII
	below = make(map[string]string)
	var path []string
	roots := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return strings.TrimSpace(root), below, roots == 1 && len(path) == 0
		}
		if err != nil {
			return "", nil, false
		}
		switch t := token.(type) {
		case xml.StartElement:
			path = append(path, t.Name.Local)
			if _, twice := below[t.Name.Local]; twice && len(path) == 2 {
				return "", nil, false
			}
			switch len(path) {
			case 1:
				roots++
			case 2:
				below[t.Name.Local] = ""
			}
		case xml.EndElement:
			path = path[:len(path)-1]
		case xml.CharData:
			switch len(path) {
			case 0:
				if len(bytes.TrimSpace(t)) > 0 {
					return "", nil, false
				}
			case 1:
				root += string(t)
			case 2:
				below[path[1]] = strings.TrimSpace(below[path[1]] + string(t))
			}
		case xml.Directive:
			return "", nil, false
		}
	}
}
