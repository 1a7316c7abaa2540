package pingxx

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/caddypay/caddypay/sandbox/pingxx/apierr"
)

// A key's prefix tells its mode.
const (
	TestPrefix = "sk_test_"
	LivePrefix = "sk_live_"
)

// timestampSlack is how far a signed request's clock may be off. Ping++ does not document its own.
const timestampSlack = 15 * time.Minute

// keys are who may ask.
type keys struct {
	test, live string
	merchant   *rsa.PublicKey // nil: signatures are not looked at
	now        func() time.Time
}

// authenticate reads the key, as Basic user name or as Bearer, and tells its mode.
func (k keys) authenticate(r *http.Request) (live bool, refusal *apierr.Error) {
	key, _, basic := r.BasicAuth()
	if !basic {
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if strings.EqualFold(scheme, "Bearer") {
			key = strings.TrimSpace(token)
		}
	}
	test := subtle.ConstantTimeCompare([]byte(key), []byte(k.test))
	liveKey := subtle.ConstantTimeCompare([]byte(key), []byte(k.live))
	if test|liveKey == 1 {
		return liveKey == 1, nil
	}
	refusal = &apierr.Error{Status: http.StatusUnauthorized, Kind: apierr.InvalidRequest}
	if key == "" {
		refusal.ZH, refusal.EN = "没有提供 API KEY。", "No API key provided."
		return false, refusal
	}
	masked := mask(key)
	refusal.ZH, refusal.EN = "提供了无效的 API KEY: "+masked+"。", "Invalid API key provided: "+masked
	return false, refusal
}

// mask keeps what tells a key's kind and hides the rest, as Ping++ does.
func mask(key string) string {
	kept := ""
	for _, prefix := range []string{TestPrefix, LivePrefix} {
		if strings.HasPrefix(key, prefix) {
			kept = prefix
		}
	}
	return kept + strings.Repeat("*", min(len(key)-len(kept), 64))
}

// checkSignature verifies a request's signature: RSA-SHA256 over the raw body, the request target
// exactly as it was sent (also a bare trailing "?"), and the timestamp. The status is 400: Ping++'s
// Java SDK reports a missing signature as its InvalidRequestException, which it makes of 400 and 404.
func (k keys) checkSignature(r *http.Request, body []byte) *apierr.Error {
	if k.merchant == nil {
		return nil
	}
	signature := r.Header.Get("Pingplusplus-Signature")
	if signature == "" {
		return apierr.BadParam("", "没有提供签名串，需要在 header 中加入签名串。", "No signature provided: add a signature to the headers.")
	}
	wrong := apierr.BadParam("", "提供了无效的签名。", "Invalid signature provided.")
	sig, err := base64.StdEncoding.DecodeString(signature)
	if err != nil {
		return wrong
	}
	stamp := r.Header.Get("Pingplusplus-Request-Timestamp")
	sum := sha256.Sum256(bytes.Join([][]byte{body, []byte(requestTarget(r)), []byte(stamp)}, nil))
	if rsa.VerifyPKCS1v15(k.merchant, crypto.SHA256, sum[:], sig) != nil {
		return wrong
	}
	unix, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || k.now().Sub(time.Unix(unix, 0)).Abs() > timestampSlack {
		return apierr.BadParam("", "请求时间戳无效，请检查服务器时间。", "Invalid request timestamp: check the clock of your server.")
	}
	return nil
}

// requestTarget is the path and query as sent. A proxy may have been given the absolute form.
func requestTarget(r *http.Request) string {
	target := r.RequestURI
	if strings.HasPrefix(target, "/") {
		return target
	}
	if _, rest, ok := strings.Cut(target, "://"); ok {
		if i := strings.IndexAny(rest, "/?"); i >= 0 {
			return rest[i:]
		}
	}
	return (&url.URL{Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}).RequestURI()
}
