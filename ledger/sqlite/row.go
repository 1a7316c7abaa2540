package sqlite

import (
	"encoding/json"
	"fmt"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/caddypay/caddypay/ledger"
)

// row is what a statement has found. Columns are taken one after the other, in the order in which the statement lists them; NULL is what a column has
// when a row is not there, or nothing is known: then it is zero.
type row struct {
	stmt   *sqlite.Stmt
	next   int
	enough bool  // no more rows are wanted
	err    error // a column that has what does not belong there
}

// take goes to the next column. If that has something, it must be of the type given.
func (r *row) take(want sqlite.ColumnType) (column int) {
	column = r.next
	r.next++
	if got := r.stmt.ColumnType(column); got != want && got != sqlite.TypeNull && r.err == nil {
		r.err = fmt.Errorf("column %d has a %s where a %s belongs", column+1, got, want)
	}
	return column
}

func (r *row) number() int64 { return r.stmt.ColumnInt64(r.take(sqlite.TypeInteger)) }

func (r *row) count() int { return int(r.number()) }

func (r *row) flag() bool { return r.number() != 0 }

func (r *row) text() string { return r.stmt.ColumnText(r.take(sqlite.TypeText)) }

// bytes returns nil for NULL only; text will do.
func (r *row) bytes() []byte {
	column := r.next
	r.next++
	if r.stmt.ColumnIsNull(column) {
		return nil
	}
	b := make([]byte, r.stmt.ColumnLen(column))
	r.stmt.ColumnBytes(column, b)
	return b
}

func (r *row) time() time.Time { return moment(r.number()) }

// null says whether the next column has nothing.
func (r *row) null() bool { return r.stmt.ColumnIsNull(r.next) }

func (r *row) reasons() (reasons []string) {
	if s := r.text(); s != "" {
		if err := json.Unmarshal([]byte(s), &reasons); err != nil && r.err == nil {
			r.err = err
		}
	}
	return reasons
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return ledger.Calendar(t).UnixMilli()
}

func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return ledger.Calendar(time.UnixMilli(ms)).UTC() // an older version kept every time
}

func encodeReasons(reasons []string) string {
	if len(reasons) == 0 {
		return ""
	}
	b, _ := json.Marshal(reasons) // strings always can
	return string(b)
}

// nullable is for a column that is NULL when it is empty, and for a parameter that must match nothing then.
func nullable(s string) any {
	if s == "" {
		return nil
	}
	return s
}
