package payment

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/caddypay/caddypay/handlers/backend"
	"github.com/caddypay/caddypay/handlers/problem"
)

// NotFound is how a backend that answers 200 to everything says that there is no such order.
type NotFound struct {
	Path   string   // into its JSON, in gjson's syntax
	Values []string // any of them means it, compared without case; what is no text, as it is written, like 40401, null or []
}

// check returns order_not_found if that is what the answer says. A member that is not there says nothing.
func (n *NotFound) check(raw []byte) error {
	if n == nil {
		return nil
	}
	found := gjson.GetBytes(raw, n.Path)
	if !found.Exists() {
		return nil
	}
	value := found.Raw
	if found.Type == gjson.String {
		value = found.Str
	}
	value = strings.TrimSpace(value)
	if found.IsArray() || found.IsObject() {
		value = strings.Join(strings.Fields(value), "") // [] and {} in any form
	}
	if slices.ContainsFunc(n.Values, func(want string) bool { return strings.EqualFold(value, strings.TrimSpace(want)) }) {
		return problem.New("order_not_found", fmt.Errorf("the backend says so: its %s is %s", n.Path, backend.Excerpt([]byte(value), 40)))
	}
	return nil
}
