package relay

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"io"
	"net/http"
	"strings"
	"testing"
)

func packed(t testing.TB, as, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	switch as {
	case "gzip", "x-gzip":
		w = gzip.NewWriter(&b)
	case "deflate":
		w = zlib.NewWriter(&b)
	default: // as some servers understand deflate
		w, _ = flate.NewWriter(&b, flate.DefaultCompression)
	}
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Some backends compress whatever was asked for. Their answers are unpacked, within a bound, and judged like any other.
func TestCompressedAnswers(t *testing.T) {
	for _, c := range []struct {
		name, encoding string
		body           []byte
		expect         Expect
		ok             bool
		snippet        string
	}{
		{"gzip", "gzip", packed(t, "gzip", "success"), Expect{Body: "success"}, true, "success"},
		{"gzip in capitals", "GZIP", packed(t, "gzip", "success"), Expect{Body: "success"}, true, "success"},
		{"x-gzip", "x-gzip", packed(t, "gzip", "success"), Expect{}, true, "success"},
		{"deflate", "deflate", packed(t, "deflate", `{"code":0}`), Expect{Path: "code", Values: []string{"0"}}, true, `{"code":0}`},
		{"deflate without zlib's frame", "deflate", packed(t, "raw", "success"), Expect{Body: "success"}, true, "success"},
		{"nothing", "gzip", nil, Expect{}, true, ""},
		{"a page", "gzip", packed(t, "gzip", "<html><title>Log in</title>"), Expect{}, false, "<html>"},
		{"another word", "gzip", packed(t, "gzip", "fail"), Expect{Body: "success"}, false, "fail"},
		{"a bomb", "gzip", packed(t, "gzip", strings.Repeat("x", 32<<20)), Expect{}, true, "xxx"},
		{"a bomb of a word", "gzip", packed(t, "gzip", "success"+strings.Repeat(" ", 32<<20)), Expect{Body: "success"}, true, "success"},
		{"cut", "gzip", packed(t, "gzip", "success")[:12], Expect{Body: "success"}, false, ""},
		{"not compressed at all", "gzip", []byte("success"), Expect{}, false, ""},
		{"not deflated at all", "deflate", []byte("success"), Expect{}, false, ""},
		{"brotli", "br", []byte("\x0b\x03\x80success\x03"), Expect{}, false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			resp := &http.Response{Header: http.Header{"Content-Encoding": {c.encoding}}, Body: io.NopCloser(bytes.NewReader(c.body))}
			text, err := readAnswer(resp, c.expect.limit())
			if err != nil || len(text) > c.expect.limit() {
				t.Fatalf("%d bytes, %v", len(text), err)
			}
			v := judge(200, resp.Header, text, c.expect)
			if v.ok() != c.ok || !strings.HasPrefix(string(text), c.snippet) {
				t.Errorf("%.40q: %+v", text, v)
			}
		})
	}
}

func FuzzReadAnswer(f *testing.F) {
	for _, as := range []string{"gzip", "deflate", "raw"} {
		f.Add(strings.Replace(as, "raw", "deflate", 1), packed(f, as, "success"))
	}
	f.Add("", []byte("success"))
	f.Fuzz(func(t *testing.T, encoding string, body []byte) {
		resp := &http.Response{Header: http.Header{"Content-Encoding": {encoding}}, Body: io.NopCloser(bytes.NewReader(body))}
		text, err := readAnswer(resp, judged)
		if err != nil {
			t.Fatal(err)
		}
		if resp.Header.Get("Content-Encoding") == encoding && !bytes.HasPrefix(body, text) {
			t.Fatalf("%q gives %q", body, text)
		}
	})
}
