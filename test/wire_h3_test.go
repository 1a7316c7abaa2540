package test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"

	"github.com/quic-go/qpack"
	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/quicvarint"
)

// The frames of HTTP/3 that a request is made of.
const (
	h3Data    = 0x0
	h3Headers = 0x1
)

func h3Frame(kind uint64, content []byte) []byte {
	b := quicvarint.Append(nil, kind)
	b = quicvarint.Append(b, uint64(len(content)))
	return append(b, content...)
}

// h3Fields is a HEADERS frame.
func h3Fields(pairs []string) []byte {
	var b bytes.Buffer
	enc := qpack.NewEncoder(&b)
	for i := 0; i < len(pairs); i += 2 {
		_ = enc.WriteField(qpack.HeaderField{Name: pairs[i], Value: pairs[i+1]})
	}
	return h3Frame(h3Headers, b.Bytes())
}

// h3 is the whole request.
func (l letter) h3(host string) []byte {
	b := h3Fields(l.heads(host))
	if l.body != "" {
		b = append(b, h3Frame(h3Data, []byte(l.body))...)
	}
	if len(l.trailers) > 0 {
		b = append(b, h3Fields(l.trailers)...)
	}
	return b
}

// greetH3 opens the control stream, as a client has to.
func greetH3(conn *quic.Conn) error {
	control, err := conn.OpenUniStream()
	if err != nil {
		return err
	}
	_, err = control.Write([]byte{0x0, 0x4, 0x0}) // the stream's type, and SETTINGS that are empty
	return err
}

func sendH3(address string, config *tls.Config, l letter) reply {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := quic.DialAddr(ctx, address, http3.ConfigureTLSConfig(config), &quic.Config{})
	if err != nil {
		return broken(err)
	}
	defer func() { _ = conn.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeNoError), "") }()
	if err := greetH3(conn); err != nil {
		return broken(err)
	}
	stream, err := conn.OpenStreamSync(ctx)
	if err != nil {
		return broken(err)
	}
	_, err = stream.Write(l.h3(address))
	if l.endless {
		defer dripping(func() error { _, err := stream.Write(h3Frame(h3Data, []byte(" "))); return err })()
	} else {
		err = errors.Join(err, stream.Close())
	}
	if err != nil {
		return brokenH3(ctx, reply{}, err)
	}
	return readH3(ctx, stream)
}

// readH3 reads the answer on a stream.
func readH3(ctx context.Context, stream *quic.Stream) (got reply) {
	defer context.AfterFunc(ctx, func() { stream.CancelRead(0) })()
	in := bufio.NewReader(stream)
	for {
		kind, err := quicvarint.Read(in)
		if errors.Is(err, io.EOF) && got.status > 0 {
			return got
		}
		size, err2 := quicvarint.Read(in)
		if err = errors.Join(err, err2); err != nil {
			return brokenH3(ctx, got, err)
		}
		content := make([]byte, size)
		if _, err := io.ReadFull(in, content); err != nil {
			return brokenH3(ctx, got, err)
		}
		switch kind {
		case h3Data:
			got.body += string(content)
		case h3Headers:
			next := qpack.NewDecoder().Decode(content)
			for field, err := next(); err == nil; field, err = next() {
				if field.Name == ":status" {
					_, _ = fmt.Sscan(field.Value, &got.status)
				}
			}
		}
	}
}

func brokenH3(ctx context.Context, got reply, err error) reply {
	if ctx.Err() != nil {
		return reply{broken: errors.Join(errSilent, err)}
	}
	if got.status > 0 && got.body != "" { // answered, and the rest of the request is not wanted
		return got
	}
	return reply{broken: err}
}
