package trade

import (
	"encoding/json"

	"github.com/caddypay/caddypay/sandbox/pingxx/apierr"
	"github.com/caddypay/caddypay/sandbox/rawjson"
)

// maxRoyalties bounds the shares of one order.
const maxRoyalties = 100

// readRoyalties checks royalty_users, a list of a user and, as the member called amount, the fen that they get; it returns their sum.
// That is all that becomes of them: there are no users and balances here.
func readRoyalties(in rawjson.Object, amount string) (sum int64, given bool, refusal *apierr.Error) {
	raw, ok := in.Get("royalty_users")
	if !ok || rawjson.IsNull(raw) {
		return 0, false, nil
	}
	bad := apierr.BadParam("royalty_users", "royalty_users 必须是包含 user 与 "+amount+" 的列表。", "royalty_users must be a list of user and "+amount+".")
	var items []json.RawMessage
	if json.Unmarshal(raw, &items) != nil || len(items) > maxRoyalties {
		return 0, true, bad
	}
	for _, item := range items {
		share, err := rawjson.Parse(item)
		if err != nil || len(share) != 2 {
			return 0, true, bad
		}
		user, _ := share.Get("user")
		fen, _ := share.Get(amount)
		name, ok := rawjson.Text(user)
		n, whole := rawjson.Integer(fen)
		if !ok || name == "" || !whole || n <= 0 || n > maxAmount {
			return 0, true, bad
		}
		sum += n
	}
	return sum, true, nil
}
