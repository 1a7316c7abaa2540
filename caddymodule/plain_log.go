package caddymodule

import (
	"fmt"
	"reflect"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddypay/caddypay/caddymodule/plain"
)

// plainLog returns a logger whose lines hold nothing that acts on a terminal: the encoders escape what is below U+0020, and leave C1
// controls and marks of direction as they are.
func plainLog(log *zap.Logger) *zap.Logger {
	return log.WithOptions(zap.WrapCore(func(core zapcore.Core) zapcore.Core { return plainCore{core} }))
}

type plainCore struct{ zapcore.Core }

func (c plainCore) With(fields []zapcore.Field) zapcore.Core {
	return plainCore{c.Core.With(plainFields(fields))}
}

// Check asks the core beneath, which drops the line or says where it goes.
func (c plainCore) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	beneath := c.Core.Check(e, nil)
	if beneath == nil {
		return checked
	}
	return checked.AddCore(e, plainLine{c.Core, beneath})
}

// plainLine is one line on its way.
type plainLine struct {
	zapcore.Core
	beneath *zapcore.CheckedEntry
}

func (l plainLine) Write(e zapcore.Entry, fields []zapcore.Field) error {
	e.Message = plain.Text(e.Message)
	l.beneath.Entry = e // with the caller and stack that the logger has added
	l.beneath.Write(plainFields(fields)...)
	return nil
}

// plainFields returns the fields with their texts escaped; it leaves the slice as it is.
func plainFields(fields []zapcore.Field) []zapcore.Field {
	out := make([]zapcore.Field, len(fields))
	for i, f := range fields {
		switch f.Type {
		case zapcore.StringType:
			f.String = plain.Lines(f.String) // the encoder escapes line ends, and keeps a stack's readable
		case zapcore.ByteStringType:
			f = zap.String(f.Key, plain.Lines(string(f.Interface.([]byte))))
		case zapcore.ErrorType:
			f = zap.NamedError(f.Key, plain.Error{Err: f.Interface.(error)})
		case zapcore.StringerType:
			f = zap.String(f.Key, plain.Lines(fmt.Sprint(f.Interface)))
		case zapcore.ReflectType:
			f = zap.String(f.Key, plain.Lines(fmt.Sprint(f.Interface)))
		case zapcore.ArrayMarshalerType:
			if v := reflect.ValueOf(f.Interface); v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.String {
				texts := make([]string, v.Len())
				for j := range texts {
					texts[j] = plain.Lines(v.Index(j).String())
				}
				f = zap.Strings(f.Key, texts)
			}
		}
		out[i] = f
	}
	return out
}
