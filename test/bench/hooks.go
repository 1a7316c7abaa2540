package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddypay/caddypay/pingpp"
)

// primes is how many primes the modulus of the benchmark's key has. To whoever verifies, the key is like any other of
// 2048 bits; signing is an order of magnitude faster than with two primes, and a run needs hundreds of thousands of events.
const primes = 16

// signer is Ping++'s key.
type signer struct {
	public rsa.PublicKey
	parts  []part
}

// part is what the Chinese remainder theorem needs of one prime.
type part struct {
	prime, exponent, weight *big.Int
}

func newSigner() (*signer, error) {
	s := &signer{public: rsa.PublicKey{N: big.NewInt(1), E: 65537}}
	e, one := big.NewInt(65537), big.NewInt(1)
	for len(s.parts) < primes {
		raw := make([]byte, 2048/primes/8)
		if _, err := rand.Read(raw); err != nil {
			return nil, err
		}
		raw[0], raw[len(raw)-1] = 0xff, raw[len(raw)-1]|1 // the product has all 2048 bits
		p := new(big.Int).SetBytes(raw)
		exponent := new(big.Int).ModInverse(e, new(big.Int).Sub(p, one))
		if exponent == nil || !p.ProbablyPrime(20) {
			continue
		}
		s.parts = append(s.parts, part{prime: p, exponent: exponent})
		s.public.N.Mul(s.public.N, p)
	}
	for i, p := range s.parts {
		rest := new(big.Int).Div(s.public.N, p.prime)
		s.parts[i].weight = rest.Mul(rest, new(big.Int).ModInverse(rest, p.prime))
	}
	return s, nil
}

// publicPEM is the key as Ping++'s dashboard shows it.
func (s *signer) publicPEM() []byte {
	der, err := x509.MarshalPKIXPublicKey(&s.public)
	if err != nil {
		panic(err) // an RSA key always can
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// The DER prefix of a SHA-256 digest (RFC 8017, 9.2).
var digestInfo = []byte{0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20}

// sign signs as Ping++ does: RSA PKCS#1 v1.5 over SHA-256, in base64.
func (s *signer) sign(body []byte) string {
	sum := sha256.Sum256(body)
	padded := make([]byte, 256)
	padded[1] = 1
	tail := len(padded) - len(digestInfo) - len(sum)
	for i := 2; i < tail-1; i++ {
		padded[i] = 0xff
	}
	copy(padded[tail:], digestInfo)
	copy(padded[tail+len(digestInfo):], sum[:])

	message, all, one := new(big.Int).SetBytes(padded), new(big.Int), new(big.Int)
	for _, p := range s.parts {
		one.Mod(message, p.prime)
		one.Exp(one, p.exponent, p.prime)
		all.Add(all, one.Mul(one, p.weight))
	}
	return base64.StdEncoding.EncodeToString(all.Mod(all, s.public.N).FillBytes(padded))
}

// hooks makes webhooks, each of an event, a charge and an order that nobody has seen.
type hooks struct {
	signer *signer
	app    string
	next   atomic.Uint32
}

// event returns the body of an event and its id. Ids are like Ping++'s: digits that begin with the mode, the day and the time, and
// end without an order. A merchant's order numbers may be anything: these are spread evenly over the ledger's indexes.
func (h *hooks) event() (id string, body []byte) {
	n, now := h.next.Add(1), time.Now()
	var spread [8]byte
	_, _ = rand.Read(spread[:])
	spread[0] &= 0x7f // as far as SQLite's integers reach: see prefill
	order := hex.EncodeToString(spread[:]) + fmt.Sprintf("%08x", n)
	key := now.UTC().Format("060102150405") + fmt.Sprintf("%09d", uint64(n)*mixed%numbers)
	body = fmt.Appendf(nil, `{"id":"evt_400%[1]s","created":%[2]d,"livemode":false,"type":"charge.succeeded","data":{"object":{"id":"ch_100%[1]s","object":"charge",`+
		`"created":%[2]d,"livemode":false,"paid":true,"refunded":false,"reversed":false,"app":"%[3]s","channel":"wx_lite","order_no":"%[4]s",`+
		`"client_ip":"203.0.113.7","amount":1999,"amount_settle":1987,"currency":"cny","subject":"Green tea 绿茶","body":"Green tea 绿茶, 250 g",`+
		`"extra":{"open_id":"oBench000000000000000000000"},"time_paid":%[2]d,"time_expire":%[2]d,"time_settle":null,"transaction_no":"4200001%[1]s",`+
		`"refunds":{"object":"list","url":"/v1/charges/ch_100%[1]s/refunds","has_more":false,"data":[]},"amount_refunded":0,"failure_code":null,"failure_msg":null,`+
		`"metadata":{},"credential":{},"description":null}},"object":"event","request":"iar_%[1]s","pending_webhooks":0}`, key, now.Unix(), h.app, order)
	return "evt_400" + key, body
}

// An event's number is at the end of its id, mixed, and back again: the product of the two is 1 in this field.
const (
	numbers = 1_000_000_000
	mixed   = 387_420_489
	unmixed = 513_180_409
)

// hookNumber is the number of an event by its id.
func hookNumber(id string) (uint32, bool) {
	n, err := strconv.ParseUint(id[max(0, len(id)-9):], 10, 64)
	if err != nil {
		return 0, false
	}
	return uint32(n * unmixed % numbers), true
}

// requests makes n signed webhooks as they go over the wire to an address, with the number that each event's id ends with.
func (h *hooks) requests(addr string, n int) []request {
	all := make([]request, n)
	var workers sync.WaitGroup
	var next atomic.Int64
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				id, body := h.event()
				number, _ := hookNumber(id)
				all[i] = request{number: number, wire: fmt.Appendf(nil, "POST /pay/webhooks HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n%s: %s\r\nContent-Length: %d\r\n\r\n%s",
					addr, pingpp.SignatureHeader, h.signer.sign(body), len(body), body)}
			}
		})
	}
	workers.Wait()
	return all
}
