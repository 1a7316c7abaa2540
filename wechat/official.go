package wechat

// OfficialAccount is one official account (公众号) as its server sees it: its pages run inside WeChat. It is safe for concurrent use.
type OfficialAccount struct{ account }

// NewOfficialAccount checks the configuration. It opens no connection.
func NewOfficialAccount(cfg Config) (*OfficialAccount, error) {
	a, err := newAccount("OfficialAccount", cfg)
	if err != nil {
		return nil, err
	}
	return &OfficialAccount{a}, nil
}
