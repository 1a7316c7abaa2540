package postgres

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// array is a parameter that is a list, as the server takes it in binary. It is put together in one piece: to have each of its values looked at by its
// type costs more than all else that a node does for an event.
type array []byte

// arrays are the types of such parameters.
var arrays = map[string]struct{ of, element uint32 }{
	"integer": {pgtype.Int4ArrayOID, pgtype.Int4OID}, "bigint": {pgtype.Int8ArrayOID, pgtype.Int8OID}, "boolean": {pgtype.BoolArrayOID, pgtype.BoolOID},
	"text": {pgtype.TextArrayOID, pgtype.TextOID}, "bytea": {pgtype.ByteaArrayOID, pgtype.ByteaOID},
}

// newArray begins one of n values, whose texts have so many bytes in all.
func newArray(kind string, n, bytes int) array {
	a := make(array, 0, 20+12*n+bytes)
	for _, head := range [...]uint32{1, 1, arrays[kind].element, uint32(n), 1} { // dimensions, NULL may be among them, what they are, how many, the first one's number
		a = binary.BigEndian.AppendUint32(a, head)
	}
	return a
}

// add adds a value, or nil.
func (a array) add(kind string, value any) array {
	var n int64
	switch v := value.(type) {
	case nil:
		return binary.BigEndian.AppendUint32(a, 1<<32-1)
	case string:
		return append(binary.BigEndian.AppendUint32(a, uint32(len(v))), v...)
	case []byte:
		if v == nil {
			return a.add(kind, nil)
		}
		return append(binary.BigEndian.AppendUint32(a, uint32(len(v))), v...)
	case bool:
		if a = binary.BigEndian.AppendUint32(a, 1); v {
			return append(a, 1)
		}
		return append(a, 0)
	case int:
		n = int64(v)
	case int64:
		n = v
	default:
		panic(fmt.Sprintf("%T is no value of a list", value))
	}
	if kind == "integer" {
		return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(a, 4), uint32(n))
	}
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(a, 8), uint64(n))
}

// takeArrays has a connection take them beside Go's slices.
func takeArrays(_ context.Context, conn *pgx.Conn) error {
	for _, t := range arrays {
		known, _ := conn.TypeMap().TypeForOID(t.of)
		conn.TypeMap().RegisterType(&pgtype.Type{Name: known.Name, OID: t.of, Codec: arrayCodec{known.Codec}})
	}
	return nil
}

type arrayCodec struct{ pgtype.Codec }

func (c arrayCodec) PlanEncode(m *pgtype.Map, oid uint32, format int16, value any) pgtype.EncodePlan {
	if _, ok := value.(array); ok && format == pgtype.BinaryFormatCode {
		return c
	}
	return c.Codec.PlanEncode(m, oid, format, value)
}

func (arrayCodec) Encode(value any, buf []byte) ([]byte, error) {
	return append(buf, value.(array)...), nil
}
