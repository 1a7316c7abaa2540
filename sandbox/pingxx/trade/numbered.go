package trade

import (
	"net/url"
	"strconv"

	"github.com/caddypay/caddypay/sandbox/pingxx/apierr"
	"github.com/caddypay/caddypay/sandbox/store"
)

// numbered is a page of the lists that have pages with numbers: orders, and an order's charges and refunds.
type numbered struct{ page, size int }

var firstPage = numbered{1, 20}

func (n numbered) skip() int { return (n.page - 1) * n.size }

// read takes page or per_page.
func (n *numbered) read(name, value string) *apierr.Error {
	v, err := strconv.Atoi(value)
	switch {
	case name == "page" && (err != nil || v < 1 || v > 1_000_000):
		return apierr.NotA(name, "正整数", "a positive integer")
	case name == "page":
		n.page = v
	case err != nil || v < 1 || v > 100:
		return apierr.NotA(name, " 1 到 100 的整数", "an integer from 1 to 100")
	default:
		n.size = v
	}
	return nil
}

// readNumbered reads the parameters of a list that has no others.
func readNumbered(query url.Values) (numbered, *apierr.Error) {
	n := firstPage
	for name, values := range query {
		if name != "page" && name != "per_page" {
			return n, apierr.UnknownParam(name)
		}
		if refusal := n.read(name, values[len(values)-1]); refusal != nil {
			return n, refusal
		}
	}
	return n, nil
}

// numberedPage is a page, newest first, and whether there is one behind it.
func numberedPage[T any](st *store.Of[T], n numbered) (data []T, more bool) {
	skip := n.skip()
	for v := range st.Newest() {
		if skip--; skip >= 0 {
			continue
		}
		if len(data) == n.size {
			return data, true
		}
		data = append(data, v)
	}
	return data, false
}
