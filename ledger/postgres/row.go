package postgres

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/caddypay/caddypay/ledger"
)

// row is what a statement has found. Columns are taken one after the other, in the order in which the statement lists them; NULL is what a column has
// when a row is not there, or nothing is known: then it is zero. They are integers, booleans, texts and bytes; a sum of bigint has to be cast.
type row struct {
	values [][]byte
	next   int
	enough bool  // no more rows are wanted
	err    error // a column that has what does not belong there
}

// read has a function read what a statement has found, row by row.
func read(rows pgx.Rows, f func(*row)) error {
	for _, column := range rows.FieldDescriptions() {
		if column.Format != pgx.BinaryFormatCode && column.DataTypeOID != pgtype.TextOID { // of a text both are the same
			rows.Close()
			return fmt.Errorf("column %s does not come in binary", column.Name)
		}
	}
	var r row
	for !r.enough && r.err == nil && rows.Next() {
		r.values, r.next = rows.RawValues(), 0
		f(&r)
	}
	rows.Close()
	if r.err != nil {
		return r.err
	}
	return rows.Err()
}

func (r *row) take() []byte {
	b := r.values[r.next]
	r.next++
	return b
}

// null says whether the next column has nothing.
func (r *row) null() bool { return r.values[r.next] == nil }

func (r *row) number() int64 {
	switch b := r.take(); len(b) {
	case 0:
		return 0
	case 2:
		return int64(int16(binary.BigEndian.Uint16(b)))
	case 4:
		return int64(int32(binary.BigEndian.Uint32(b)))
	case 8:
		return int64(binary.BigEndian.Uint64(b))
	}
	r.err = fmt.Errorf("column %d has no integer", r.next)
	return 0
}

func (r *row) count() int { return int(r.number()) }

func (r *row) flag() bool {
	b := r.take()
	return len(b) == 1 && b[0] != 0
}

func (r *row) text() string {
	s, err := unescape(string(r.take()))
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("column %d: %w", r.next, err)
	}
	return s
}

// bytes returns nil for NULL only.
func (r *row) bytes() []byte {
	b := r.take()
	if b == nil {
		return nil
	}
	return append(make([]byte, 0, len(b)), b...)
}

func (r *row) time() time.Time { return moment(r.number()) }

func (r *row) micros() time.Duration { return time.Duration(r.number()) * time.Microsecond }

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
	return time.UnixMilli(ms).UTC()
}

func encodeReasons(reasons []string) string {
	if len(reasons) == 0 {
		return ""
	}
	b, _ := json.Marshal(reasons) // strings always can
	return string(b)
}

// nullable is for a column that is NULL when it is empty, and for a parameter that must match nothing then.
func nullable[T comparable](v T) any {
	var zero T
	if v == zero {
		return nil
	}
	return v
}
