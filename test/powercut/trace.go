// Package powercut says what a disk may hold after a power failure, by a record of the system calls that were made before it.
//
// The record is strace's: strace -f -yy -s 70000 -e signal=none -e trace=<Calls>. A call is two moments in it, its beginning and its end, and
// the order of the moments is how things were: what had ended before another call began was done before that.
package powercut

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Calls are those that change files or their names, as strace's option -e wants them, and those that send something.
const Calls = "trace=write,pwrite64,ftruncate,fdatasync,fsync,?open,openat,?mkdir,mkdirat,?rename,renameat,?renameat2,?unlink,unlinkat,?rmdir"

// Call is a system call.
type Call struct {
	Name   string
	File   string // that it is about, or TCP:[<from>-><to>]; of a descriptor whose file has no name any more: empty
	To     string // its new name
	Data   []byte // that is written
	At     int64  // where; or the file's new size
	Create bool   // the file, if there is none
	Empty  bool   // the file, if there is one
	Result int64  // at its end
	Failed bool   // likewise
}

// Moment is the beginning or the end of a call. Calls during which their process died have no end.
type Moment struct {
	*Call
	End bool
}

// Read reads a record.
func Read(r io.Reader) (all []Moment, err error) {
	in := bufio.NewReaderSize(r, 1<<20)
	running := make(map[string]*Call) // by thread
	for n := 1; ; n++ {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return all, nil // a line without an end is of a call without one
		}
		if err != nil {
			return nil, err
		}
		thread, text, _ := strings.Cut(string(bytes.TrimSuffix(line, []byte("\n"))), " ")
		text = strings.TrimLeft(text, " ")
		if rest, resumed := strings.CutPrefix(text, "<... "); resumed {
			c := running[thread]
			delete(running, thread)
			if c != nil && strings.HasPrefix(rest, c.Name+" resumed>") && c.ends(rest) {
				all = append(all, Moment{c, true})
			}
			continue
		}
		name, args, ok := strings.Cut(text, "(")
		if !ok || strings.HasPrefix(text, "+++") || strings.HasPrefix(text, "---") {
			continue
		}
		c := &Call{Name: name}
		rest, err := c.begins(args)
		if err != nil {
			return nil, fmt.Errorf("line %d of the record: %w: %.200s", n, err, text)
		}
		all = append(all, Moment{c, false})
		if strings.HasSuffix(rest, "<unfinished ...>") {
			running[thread] = c
		} else if c.ends(rest) {
			all = append(all, Moment{c, true})
		}
	}
}

// begins reads the arguments and returns what follows those that matter.
func (c *Call) begins(args string) (rest string, err error) {
	s := scanner{rest: args}
	switch c.Name {
	case "write":
		c.File, c.Data = s.descriptor(), s.text()
	case "pwrite64":
		c.File, c.Data = s.descriptor(), s.text()
		s.number() // its length
		c.At = s.number()
	case "ftruncate":
		c.File, c.At = s.descriptor(), s.number()
	case "fdatasync", "fsync":
		c.File = s.descriptor()
	case "open", "mkdir", "unlink", "rmdir":
		c.File = string(s.text())
	case "openat", "mkdirat", "unlinkat":
		c.File = s.below(s.descriptor())
	case "rename":
		c.File, c.To = string(s.text()), string(s.text())
	case "renameat", "renameat2":
		c.File = s.below(s.descriptor())
		c.To = s.below(s.descriptor())
	}
	if c.Name == "open" || c.Name == "openat" {
		s.skip()
		flags := strings.Split(s.rest[:max(0, strings.IndexAny(s.rest, ",) "))], "|")
		c.Create, c.Empty = slices.Contains(flags, "O_CREAT"), slices.Contains(flags, "O_TRUNC")
	}
	return s.rest, s.err
}

// ends reads the result, and says whether there is one.
func (c *Call) ends(rest string) bool {
	_, result, ok := strings.Cut(rest, " = ")
	digits := strings.FieldsFunc(result, func(r rune) bool { return r != '-' && (r < '0' || r > '9') })
	unknown := strings.HasPrefix(result, "?") || strings.HasPrefix(result, "-1 (errno ") // the latter of a thread that is being killed
	if !ok || unknown || len(digits) == 0 {
		return false
	}
	n, err := strconv.ParseInt(digits[0], 10, 64)
	c.Result, c.Failed = n, n < 0
	return err == nil
}

// scanner reads arguments one by one.
type scanner struct {
	rest string
	err  error
}

func (s *scanner) fail(what string) {
	if s.err == nil {
		s.err = fmt.Errorf("no %s in %.60q", what, s.rest)
	}
}

func (s *scanner) skip() { s.rest = strings.TrimLeft(s.rest, ", ") }

// descriptor reads 7</what/it/is> and returns what it is.
func (s *scanner) descriptor() string {
	s.skip()
	from := strings.IndexByte(s.rest, '<')
	if end := strings.IndexAny(s.rest, ",) "); from < 0 || end >= 0 && end < from { // one that is not open, or nobody knows what it is
		s.rest = s.rest[max(0, end):]
		return ""
	}
	for at := from + 1; at < len(s.rest); at++ {
		if s.rest[at] == '>' && (at+1 == len(s.rest) || strings.IndexByte(",) (", s.rest[at+1]) >= 0) {
			file := s.rest[from+1 : at]
			s.rest = s.rest[at+1:]
			if rest, gone := strings.CutPrefix(s.rest, "(deleted)"); gone {
				s.rest, file = rest, ""
			}
			return file
		}
	}
	s.fail("end of a descriptor")
	return ""
}

// below reads a path in a folder.
func (s *scanner) below(folder string) string {
	path := string(s.text())
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(folder, path)
}

func (s *scanner) number() int64 {
	s.skip()
	end := 0
	for end < len(s.rest) && s.rest[end] >= '0' && s.rest[end] <= '9' {
		end++
	}
	n, err := strconv.ParseInt(s.rest[:end], 10, 64)
	if err != nil {
		s.fail("number")
	}
	s.rest = s.rest[end:]
	return n
}

var escapes = map[byte]byte{'n': '\n', 't': '\t', 'r': '\r', 'v': '\v', 'f': '\f', '"': '"', '\\': '\\'}

// text reads what stands between quotation marks, as in C.
func (s *scanner) text() []byte {
	s.skip()
	if !strings.HasPrefix(s.rest, `"`) {
		s.fail("text")
		return nil
	}
	b := make([]byte, 0, 4096)
	for at := 1; at < len(s.rest); at++ {
		switch c := s.rest[at]; {
		case c == '"':
			if s.rest = s.rest[at+1:]; strings.HasPrefix(s.rest, "...") {
				s.fail("whole text")
			}
			return b
		case c != '\\':
			b = append(b, c)
		case at+1 < len(s.rest) && escapes[s.rest[at+1]] != 0:
			at++
			b = append(b, escapes[s.rest[at]])
		default:
			end := at + 1
			for end < min(at+4, len(s.rest)) && s.rest[end] >= '0' && s.rest[end] <= '7' {
				end++
			}
			n, err := strconv.ParseUint(s.rest[at+1:end], 8, 8)
			if err != nil {
				s.fail("text")
				return nil
			}
			b, at = append(b, byte(n)), end-1
		}
	}
	s.fail("end of a text")
	return nil
}
