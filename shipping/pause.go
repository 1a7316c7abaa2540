package shipping

import "time"

// Pause is why WeChat is not asked about the payments of a mini program for a while: a quota is used up, it was not there, or its configuration is wrong.
// Each process has its own.
type Pause struct {
	AppID  string
	Since  time.Time // when WeChat first answered so
	Until  time.Time // when it is asked again
	Code   string    // WeChat's errcode, or a word of ours
	Person bool      // waiting does not help: a person has to mend it
	EN, ZH string    // what WeChat answered, and what to do
}

// In is what WeChat answered, and what to do, in a language, zh or en.
func (p *Pause) In(language string) string {
	if language == "zh" {
		return p.ZH
	}
	return p.EN
}

// PauseOf finds the pause of the mini program in which something was paid; nil: WeChat is asked. Where it is not known which, any will do: there is one.
func PauseOf(all []Pause, appID string) *Pause {
	for i := range all {
		if appID == "" || all[i].AppID == appID {
			return &all[i]
		}
	}
	return nil
}
