package console

import (
	"cmp"
	"encoding/csv"
	"net/http"
	"strings"
)

const exportPage = 1000 // rows that are asked for at a time

// export answers with all that a list's filters choose, as a file that a spreadsheet opens: UTF-8 with the mark that Excel looks for, times in
// Beijing's zone, exact yuan. It is never shorter than it says: when a later page cannot be read the connection breaks off, so that the
// download fails.
func (c *Console) export(v *visit, name string, l *list) error {
	got, err := l.read(v, "", exportPage)
	if err != nil {
		return err // nothing was sent
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="`+strings.TrimSuffix(name, ".csv")+"-"+v.now.UTC().Format("20060102-150405")+`.csv"`)
	if v.r.Method == http.MethodHead {
		return nil
	}
	_, _ = v.w.Write([]byte("\ufeff"))
	w := csv.NewWriter(v.w)
	w.UseCRLF = true
	heads := make([]string, len(l.heads))
	for i, h := range l.heads {
		heads[i] = h.inFile(v)
	}
	_ = w.Write(heads)
	for {
		for _, cells := range got.cells {
			record := make([]string, len(cells))
			for i, cell := range cells {
				record[i] = cell.inFile()
			}
			_ = w.Write(record)
		}
		if w.Flush(); w.Error() != nil {
			return nil // who asked is gone
		}
		if got.next == "" {
			return nil
		}
		if got, err = l.read(v, got.next, exportPage); err != nil {
			panic(http.ErrAbortHandler)
		}
	}
}

// inFile is a cell for a spreadsheet. What would be taken for a formula begins with an apostrophe. A number of many digits, like an order's, or one
// with a leading zero ends in a tab, as in the banks' files: it stays the text that it is.
func (c cell) inFile() string {
	if c.Kind == "money" || c.Kind == "time" {
		return c.File
	}
	text := printable(cmp.Or(c.File, c.Text))
	if text != "" && strings.ContainsRune("=+-@\t\r\n＝＋－＠", []rune(text)[0]) {
		return "'" + text
	}
	if digits := strings.Trim(text, "0123456789"); text != "" && digits == "" && (len(text) > 11 || len(text) > 1 && text[0] == '0') {
		return text + "\t"
	}
	return text
}
