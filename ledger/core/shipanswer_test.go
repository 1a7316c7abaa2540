package core

import (
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// TestShippingAnswered: what follows from each answer: whether a report is posted again, asked about, or over, and when.
func TestShippingAnswered(t *testing.T) {
	const post, ask = ledger.ShippingPost, ledger.ShippingAsk
	perhaps := func(change func(*Shipment)) *Shipment {
		s := posted(tea)
		change(s)
		return s
	}
	same := func(*Shipment) {}
	had := func(a ledger.ShippingAnswer) ledger.ShippingAnswer { a.Had = true; return a }
	for name, c := range map[string]struct {
		row     *Shipment
		answer  ledger.ShippingAnswer
		state   ledger.ShipmentState
		stage   ledger.ReportStage
		posted  bool // still perhaps
		uploads int
		due     time.Duration // after the answer
		code    string
	}{
		"accepted":                         {perhaps(func(s *Shipment) { s.Tries, s.Missed, s.Unclear = 3, 2, 1 }), answer(post, ledger.ShippingAccepted), ledger.ShipmentReported, ledger.ReportDone, false, 1, shipDaily, ""},
		"a part is accepted":               {posted(part1), answer(post, ledger.ShippingAccepted), ledger.ShipmentWaiting, ledger.ReportDone, false, 0, shipDaily, ""},
		"a correction is accepted":         {perhaps(func(s *Shipment) { s.Uploads = 1 }), answer(post, ledger.ShippingAccepted), ledger.ShipmentReported, ledger.ReportDone, false, 2, shipDaily, ""},
		"WeChat had it":                    {perhaps(func(s *Shipment) { s.Uploads, s.State = 1, ledger.ShipmentReported }), had(answer(post, ledger.ShippingAccepted)), ledger.ShipmentReported, ledger.ReportDone, false, 1, shipDaily, ""},
		"WeChat had it, from elsewhere":    {perhaps(same), had(answer(post, ledger.ShippingAccepted)), ledger.ShipmentReported, ledger.ReportDone, false, 1, shipDaily, ""},
		"get_order has what it had":        {perhaps(func(s *Shipment) { s.Uploads, s.State = 1, ledger.ShipmentReported }), told(2, 1, true), ledger.ShipmentReported, ledger.ReportDone, false, 1, shipDaily, ""},
		"get_order has the correction":     {perhaps(func(s *Shipment) { s.Uploads, s.State = 1, ledger.ShipmentReported }), told(2, 2, true), ledger.ShipmentReported, ledger.ReportDone, false, 2, shipDaily, ""},
		"a part as correction is accepted": {changed(posted(part1), func(s *Shipment) { s.Uploads = 1 }), answer(post, ledger.ShippingAccepted), ledger.ShipmentReported, ledger.ReportDone, false, 2, shipDaily, ""},
		"accepted, corrected since":        {perhaps(func(s *Shipment) { s.report(coffee, at(5)); s.Stage, s.Due = ledger.ReportDone, never }), answer(post, ledger.ShippingAccepted), ledger.ShipmentReported, ledger.ReportOpen, false, 1, 0, ""},
		"accepted, corrected too often":    {perhaps(func(s *Shipment) { s.Shipping, s.Uploads = coffee, 1 }), answer(post, ledger.ShippingAccepted), ledger.ShipmentReported, ledger.ReportFailed, false, 2, shipDaily, ledger.ProblemCorrected},
		"accepted, refunded since":         {perhaps(func(s *Shipment) { s.refund() }), answer(post, ledger.ShippingAccepted), ledger.ShipmentRefunded, ledger.ReportDone, false, 1, -1, ""},

		"the payment is not known yet":        {perhaps(same), answer(post, ledger.ShippingNotFound), ledger.ShipmentWaiting, ledger.ReportOpen, false, 0, 10 * time.Second, "code"},
		"the payment is not known, 2":         {perhaps(func(s *Shipment) { s.Missed = 1 }), answer(post, ledger.ShippingNotFound), ledger.ShipmentWaiting, ledger.ReportOpen, false, 0, time.Minute, "code"},
		"the payment is not known, 3":         {perhaps(func(s *Shipment) { s.Missed = 2 }), answer(post, ledger.ShippingNotFound), ledger.ShipmentWaiting, ledger.ReportOpen, false, 0, 5 * time.Minute, "code"},
		"the payment is not known, 4":         {perhaps(func(s *Shipment) { s.Missed = 3 }), answer(post, ledger.ShippingNotFound), ledger.ShipmentWaiting, ledger.ReportOpen, false, 0, 30 * time.Minute, "code"},
		"the payment is not known, a person":  {perhaps(func(s *Shipment) { s.Missed = 4 }), answer(post, ledger.ShippingNotFound), ledger.ShipmentFailed, ledger.ReportFailed, false, 0, shipDaily, "code"},
		"not known, which get_order says":     {perhaps(same), answer(ask, ledger.ShippingNotFound), ledger.ShipmentWaiting, ledger.ReportOpen, false, 0, 10 * time.Second, "code"},
		"busy":                                {perhaps(same), answer(post, ledger.ShippingTransient), ledger.ShipmentWaiting, ledger.ReportOpen, false, 0, 10 * time.Second, "code"},
		"busy for long":                       {perhaps(func(s *Shipment) { s.Tries = 99 }), answer(post, ledger.ShippingTransient), ledger.ShipmentWaiting, ledger.ReportOpen, false, 0, time.Hour, "code"},
		"could not even be posted":            {shipment(tea), answer(post, ledger.ShippingTransient), ledger.ShipmentWaiting, ledger.ReportOpen, false, 0, 10 * time.Second, "code"},
		"once more":                           {perhaps(same), answer(post, ledger.ShippingAgain), ledger.ShipmentWaiting, ledger.ReportOpen, false, 0, 10 * time.Second, "code"},
		"once more, a second time":            {perhaps(func(s *Shipment) { s.Last = ledger.ShippingAgain }), answer(post, ledger.ShippingAgain), ledger.ShipmentFailed, ledger.ReportFailed, false, 0, shipDaily, "code"},
		"final":                               {perhaps(same), answer(post, ledger.ShippingFinal), ledger.ShipmentFailed, ledger.ReportFailed, false, 0, shipDaily, "code"},
		"final, of a correction":              {perhaps(func(s *Shipment) { s.Uploads, s.State = 1, ledger.ShipmentReported }), answer(post, ledger.ShippingFinal), ledger.ShipmentReported, ledger.ReportFailed, false, 1, shipDaily, "code"},
		"not managed":                         {perhaps(same), answer(post, ledger.ShippingUnmanaged), ledger.ShipmentUnmanaged, ledger.ReportFailed, false, 0, -1, "code"},
		"the answer is lost":                  {perhaps(same), answer(post, ledger.ShippingUnknown), ledger.ShipmentWaiting, ledger.ReportOpen, true, 0, 10 * time.Second, "code"},
		"get_order's answer is lost":          {perhaps(func(s *Shipment) { s.Tries = 1 }), answer(ask, ledger.ShippingUnknown), ledger.ShipmentWaiting, ledger.ReportOpen, true, 0, time.Minute, ""},
		"get_order is busy":                   {perhaps(same), answer(ask, ledger.ShippingTransient), ledger.ShipmentWaiting, ledger.ReportOpen, true, 0, 10 * time.Second, ""},
		"get_order will not say":              {perhaps(same), answer(ask, ledger.ShippingFinal), ledger.ShipmentFailed, ledger.ReportFailed, true, 0, shipDaily, "code"},
		"get_order has it":                    {perhaps(same), told(2, 1, true), ledger.ShipmentReported, ledger.ReportDone, false, 1, shipDaily, ""},
		"get_order has it, and it is settled": {perhaps(same), told(4, 1, true), ledger.ShipmentSettled, ledger.ReportDone, false, 1, -1, ""},
		"get_order does not have it":          {perhaps(same), told(1, 0, false), ledger.ShipmentWaiting, ledger.ReportOpen, false, 0, 10 * time.Second, ""},
		"get_order never has it":              {perhaps(func(s *Shipment) { s.Unclear = mostUnclear - 1 }), told(1, 0, false), ledger.ShipmentFailed, ledger.ReportFailed, false, 0, shipDaily, ledger.ProblemUnclear},
		"get_order has the former":            {perhaps(func(s *Shipment) { s.Uploads, s.State = 1, ledger.ShipmentReported }), told(2, 1, false), ledger.ShipmentReported, ledger.ReportOpen, false, 1, 10 * time.Second, ""},
		"get_order has another's":             {perhaps(same), told(2, 1, false), ledger.ShipmentReported, ledger.ReportFailed, false, 1, shipDaily, ledger.ProblemDiffers},
		"get_order has another's, confirmed":  {perhaps(same), told(3, 1, false), ledger.ShipmentConfirmed, ledger.ReportFailed, false, 0, shipDaily, ledger.ProblemOver},
		"get_order says refunded":             {perhaps(same), told(5, 0, false), ledger.ShipmentRefunded, ledger.ReportFailed, false, 0, -1, ledger.ProblemOver},
		"get_order says what nobody knows":    {perhaps(same), told(77, 0, false), ledger.ShipmentWaiting, ledger.ReportOpen, true, 0, 10 * time.Second, ""},

		"busy, after it was worth one more":     {perhaps(func(s *Shipment) { s.Last = ledger.ShippingAgain }), answer(post, ledger.ShippingTransient), ledger.ShipmentWaiting, ledger.ReportOpen, false, 0, 10 * time.Second, "code"},
		"busy, after it was not known":          {perhaps(func(s *Shipment) { s.Missed = 4 }), answer(post, ledger.ShippingTransient), ledger.ShipmentWaiting, ledger.ReportOpen, false, 0, 10 * time.Second, "code"},
		"a part is accepted after a failure":    {changed(posted(part1), func(s *Shipment) { s.State = ledger.ShipmentFailed }), answer(post, ledger.ShippingAccepted), ledger.ShipmentWaiting, ledger.ReportDone, false, 0, shipDaily, ""},
		"a part is accepted of what was over":   {changed(posted(part1), func(s *Shipment) { s.State = ledger.ShipmentSettled }), answer(post, ledger.ShippingAccepted), ledger.ShipmentSettled, ledger.ReportDone, false, 0, -1, ""},
		"settled by hand":                       {shipment(nil), told(4, 0, false), ledger.ShipmentSettled, ledger.ReportNone, false, 0, -1, ""},
		"settled, and not managed":              {changed(reportedTea(), func(s *Shipment) { s.State = ledger.ShipmentSettled }), answer(ask, ledger.ShippingUnmanaged), ledger.ShipmentSettled, ledger.ReportDone, false, 1, -1, ""},
		"the daily round's answer is lost":      {reportedTea(), answer(ask, ledger.ShippingUnknown), ledger.ShipmentReported, ledger.ReportDone, false, 1, shipRetry, ""},
		"shipped by hand":                       {shipment(nil), told(2, 1, false), ledger.ShipmentReported, ledger.ReportNone, false, 1, shipDaily, ""},
		"to ship":                               {shipment(nil), told(1, 0, false), ledger.ShipmentWaiting, ledger.ReportNone, false, 0, shipDaily, ""},
		"parts by hand":                         {shipment(nil), told(2, 0, false), ledger.ShipmentWaiting, ledger.ReportNone, false, 0, shipDaily, ""},
		"to be settled":                         {reportedTea(), told(6, 1, false), ledger.ShipmentConfirmed, ledger.ReportDone, false, 1, shipDaily, ""},
		"settled":                               {reportedTea(), told(4, 1, false), ledger.ShipmentSettled, ledger.ReportDone, false, 1, -1, ""},
		"nothing new":                           {reportedTea(), told(2, 1, false), ledger.ShipmentReported, ledger.ReportDone, false, 1, shipDaily, ""},
		"nothing goes back":                     {reportedTea(), told(1, 0, false), ledger.ShipmentReported, ledger.ReportDone, false, 1, shipDaily, ""},
		"corrected by hand":                     {reportedTea(), told(2, 2, false), ledger.ShipmentReported, ledger.ReportDone, false, 2, shipDaily, ""},
		"the daily round is too much":           {reportedTea(), answer(ask, ledger.ShippingTransient), ledger.ShipmentReported, ledger.ReportDone, false, 1, shipRetry, ""},
		"the daily round cannot say":            {reportedTea(), answer(ask, ledger.ShippingNotFound), ledger.ShipmentReported, ledger.ReportDone, false, 1, shipDaily, ""},
		"the daily round of one not managed":    {reportedTea(), answer(ask, ledger.ShippingUnmanaged), ledger.ShipmentUnmanaged, ledger.ReportDone, false, 1, -1, ""},
		"the daily round, while it is reported": {shipment(tea), told(1, 0, false), ledger.ShipmentWaiting, ledger.ReportOpen, false, 0, at(0).Sub(at(2)), ""},
		"the daily round has what is lost":      {perhaps(func(s *Shipment) { s.fail(ledger.ShippingProblem{Code: "x"}) }), told(2, 1, true), ledger.ShipmentReported, ledger.ReportDone, false, 1, shipDaily, ""},
		"the daily round has not what is lost":  {perhaps(func(s *Shipment) { s.fail(ledger.ShippingProblem{Code: "x"}) }), told(1, 0, false), ledger.ShipmentFailed, ledger.ReportFailed, false, 0, shipDaily, "x"},
	} {
		if err := checkAnswer(c.answer); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		was := c.row.State
		attempt, is := c.row.answered(c.answer)
		s := c.row
		due := never
		if c.due >= 0 || c.due == at(0).Sub(at(2)) {
			due = at(2).Add(c.due)
		}
		equal(t, name, []any{s.State, s.Stage, s.Posted != nil, s.Uploads, s.Due, s.Problem.Code, s.Owner, s.Last},
			[]any{c.state, c.stage, c.posted, c.uploads, due, c.code, "", c.answer.Result})
		if wants := c.answer.Step == post || was != s.State; wants && is == unlisted {
			t.Errorf("%s: it is not listed", name)
		}
		equal(t, name, []any{attempt.N, attempt.At, attempt.Step, attempt.Result, attempt.Problem, attempt.State},
			[]any{s.Attempts, at(2), c.answer.Step, c.answer.Result, c.answer.Problem, c.state})
		if s.Problem.Code != "" && s.Problem.Code != "x" && s.Problem.Text == "" {
			t.Errorf("%s: %s has no words", name, s.Problem.Code)
		}
		if c.stage == ledger.ReportDone && s.Tries+s.Missed+s.Unclear > 0 && c.answer.Result == ledger.ShippingAccepted {
			t.Errorf("%s: what was in vain still counts", name)
		}
	}
}

func changed(s *Shipment, change func(*Shipment)) *Shipment {
	change(s)
	return s
}

func reportedTea() *Shipment {
	s := posted(tea)
	s.answered(answer(ledger.ShippingPost, ledger.ShippingAccepted))
	return s
}

// TestShippingListed: an attempt that was listed when it began is not listed again; of the daily round only what brought something.
func TestShippingListed(t *testing.T) {
	for name, c := range map[string]struct {
		row    *Shipment
		answer ledger.ShippingAnswer
		want   listed
		n      int
	}{
		"posted":               {posted(tea), answer(ledger.ShippingPost, ledger.ShippingUnknown), began, 1},
		"not even posted":      {shipment(tea), answer(ledger.ShippingPost, ledger.ShippingTransient), ended, 1},
		"asked about it":       {posted(tea), told(1, 0, false), ended, 2},
		"daily, something new": {reportedTea(), told(3, 1, false), ended, 2},
		"daily, nothing new":   {reportedTea(), told(2, 1, false), unlisted, 1},
	} {
		attempt, is := c.row.answered(c.answer)
		if is != c.want || attempt.N != c.n || c.row.Attempts != c.n {
			t.Errorf("%s: %d, attempt %d of %d; want %d, %d", name, is, attempt.N, c.row.Attempts, c.want, c.n)
		}
	}
}

// TestShippingAnswers: which answers there are to which question.
func TestShippingAnswers(t *testing.T) {
	for _, result := range []ledger.ShippingResult{ledger.ShippingAsking, ledger.ShippingAccepted, ledger.ShippingTold, ledger.ShippingNotFound, ledger.ShippingTransient,
		ledger.ShippingAgain, ledger.ShippingUnknown, ledger.ShippingFinal, ledger.ShippingUnmanaged, "odd"} {
		none := result == ledger.ShippingAsking || result == "odd"
		for step, ok := range map[ledger.ShippingStep]bool{
			ledger.ShippingPost: !none && result != ledger.ShippingTold, ledger.ShippingAsk: !none && result != ledger.ShippingAccepted, "wait": false,
		} {
			if err := checkAnswer(ledger.ShippingAnswer{Step: step, Result: result}); (err == nil) != ok {
				t.Errorf("%s to %s: %v", result, step, err)
			}
		}
	}
}

// TestShippingWaits: each attempt in vain makes the next wait longer, whatever made it one.
func TestShippingWaits(t *testing.T) {
	s := shipment(tea)
	for i, c := range []struct {
		result ledger.ShippingResult
		wait   time.Duration
	}{
		{ledger.ShippingTransient, 10 * time.Second}, {ledger.ShippingTransient, time.Minute}, {ledger.ShippingNotFound, 10 * time.Second},
		{ledger.ShippingTransient, 15 * time.Minute}, {ledger.ShippingAgain, time.Hour}, {ledger.ShippingTransient, time.Hour}, {ledger.ShippingNotFound, time.Minute},
	} {
		s.post(at(1), at(60))
		a := answer(ledger.ShippingPost, c.result)
		a.Took = 3 * time.Second
		attempt, _ := s.answered(a)
		if !s.Due.Equal(at(5).Add(c.wait)) || attempt.Took != a.Took {
			t.Errorf("%d: due %s, took %s; want it after %s", i, s.Due, attempt.Took, c.wait)
		}
	}
}
