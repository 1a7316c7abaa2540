package relay

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"net/http"
	"strings"
)

// readAnswer returns the part of the answer that is looked at, limit bytes at most, and reads on a little, so that the connection can be
// used again and an answer that breaks off is noticed. An answer without end is left at that. What is compressed although plain was asked
// for is unpacked, and the header says so no more.
func readAnswer(resp *http.Response, limit int) ([]byte, error) {
	unpack := unpackers[strings.ToLower(strings.TrimSpace(resp.Header.Get("Content-Encoding")))]
	first := limit
	if unpack != nil {
		first = drained
	}
	head, err := io.ReadAll(io.LimitReader(resp.Body, int64(first)))
	if err == nil && len(head) == first && first < drained {
		if _, err = io.CopyN(io.Discard, resp.Body, int64(drained-first)); errors.Is(err, io.EOF) {
			err = nil
		}
	}
	if err != nil || unpack == nil || len(head) == 0 {
		return head, err
	}
	plain, bad := unpacked(unpack, head, limit)
	if bad != nil && (len(head) < drained || len(plain) == 0) {
		return head[:min(len(head), limit)], nil // judge says that it cannot be checked
	}
	resp.Header.Del("Content-Encoding")
	return plain, nil
}

// unpacked reads at most limit bytes, however much they would unpack to.
func unpacked(unpack func(io.Reader) (io.ReadCloser, error), packed []byte, limit int) ([]byte, error) {
	r, err := unpack(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(io.LimitReader(r, int64(limit)))
}

// unpackers are by the names that Content-Encoding has for them.
var unpackers = map[string]func(io.Reader) (io.ReadCloser, error){
	"gzip":    gunzip,
	"x-gzip":  gunzip,
	"deflate": inflate,
}

func gunzip(r io.Reader) (io.ReadCloser, error) { return gzip.NewReader(r) }

// inflate takes zlib's format, as the standard has it, and the bare one that some servers send.
func inflate(r io.Reader) (io.ReadCloser, error) {
	packed, err := io.ReadAll(r) // from memory
	if err != nil {
		return nil, err
	}
	if z, err := zlib.NewReader(bytes.NewReader(packed)); err == nil {
		return z, nil
	}
	return flate.NewReader(bytes.NewReader(packed)), nil
}
