package pingpp

// Ping++'s own pages for test charges; a sandbox has them under its endpoint.
const (
	mockPage    = "https://sissi.pingxx.com/mock.php"
	notifyCalls = "https://notify.pingxx.com/notify/charges/"
)

// MockURL is the page on which a tester pays a test charge in a browser. It takes ch_id and channel in its query.
func (c *Client) MockURL() string {
	if c.base == defaultEndpoint {
		return mockPage
	}
	return c.base + "/mock.php"
}

// NotifyURL, with a test charge's id and ?livemode=false after it, is what a client calls in place of opening WeChat's payment sheet:
// the charge is then paid, and the answer is success.
func (c *Client) NotifyURL() string {
	if c.base == defaultEndpoint {
		return notifyCalls
	}
	return c.base + "/notify/charges/"
}
