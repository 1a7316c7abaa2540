package core

import (
	"fmt"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// shipUnknown is how soon, and then how much later each time, a report is tried again for whose payment WeChat has no record yet. After that a person decides.
var shipUnknown = [...]time.Duration{10 * time.Second, time.Minute, 5 * time.Minute, 30 * time.Minute}

// shipBackoff is the same for all other reasons to try again; the last gap stays.
var shipBackoff = [...]time.Duration{10 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour}

// post makes the report one that WeChat may have accepted.
func (s *Shipment) post(now, until time.Time) ledger.ShippingAttempt {
	s.Posted, s.Until = s.next(), prolonged(s.Until, until)
	s.Attempts++
	return ledger.ShippingAttempt{N: s.Attempts, At: now, Step: ledger.ShippingPost, Result: ledger.ShippingAsking, Shipping: s.Posted}
}

// listed is whether an attempt is among those of its shipment.
type listed int

const (
	unlisted listed = iota // it brought nothing new
	began                  // it is, since it began
	ended                  // it is to be, now that it has ended
)

// answered records what became of an attempt.
func (s *Shipment) answered(a ledger.ShippingAnswer) (attempt ledger.ShippingAttempt, is listed) {
	was, now, doubted := s.State, a.At.Add(a.Took), s.doubted()
	post, deciding := a.Step == ledger.ShippingPost, s.Posted != nil // else it was asked in the daily round, or before a post, or nothing was posted after all
	vain := s.Stage == ledger.ReportOpen && a.Result != ledger.ShippingTold
	s.Owner, s.Until = "", time.Time{}
	switch {
	case a.Result == ledger.ShippingUnmanaged:
		s.unmanaged(a.Problem)
	case a.Result == ledger.ShippingAccepted:
		s.accept(now, a.Had)
	case deciding && a.Result == ledger.ShippingTold:
		s.decided(a, now)
	case deciding || vain:
		s.vain(a, now)
	case s.Stage == ledger.ReportOpen:
		s.found(a)
	default:
		s.lookedUp(a)
	}
	s.Last = a.Result
	s.schedule(a, now)
	if doubted && s.State == was {
		s.doubtOn(a, now)
	}
	switch {
	case post && deciding:
		is = began
	case post || deciding || vain || s.State != was:
		is = ended
		s.Attempts++
	}
	return ledger.ShippingAttempt{N: s.Attempts, At: a.At, Took: a.Took, Step: a.Step, Result: a.Result, Problem: a.Problem, State: s.State}, is
}

// accept records that WeChat has what was posted, which it may have had before. What was reported since is due.
func (s *Shipment) accept(now time.Time, had bool) {
	posted := s.Posted
	if !had || s.Uploads == 0 { // it was entered by hand before, or the answer to the first post was lost
		s.Uploads += s.counts(posted)
	}
	s.Posted, s.Reported, s.Problem = nil, now, ledger.ShippingProblem{}
	s.Tries, s.Missed, s.Unclear = 0, 0, 0
	switch {
	case s.Uploads > 0:
		s.become(ledger.ShipmentReported)
	case s.State == ledger.ShipmentFailed:
		s.State = ledger.ShipmentWaiting // for the rest
	}
	switch {
	case s.tell(posted):
		s.Stage = ledger.ReportDone
	case !s.takes(s.Shipping):
		s.fail(problemCorrected)
	default:
		s.Stage, s.Due = ledger.ReportOpen, now
	}
}

// decided goes on by what get_order says of what may have been posted.
func (s *Shipment) decided(a ledger.ShippingAnswer, now time.Time) {
	told := stateOf(a.OrderState)
	switch {
	case a.Has:
		s.accept(now, a.Finished > 0 && a.Finished <= s.Uploads)
		s.become(told)
	case told == ledger.ShipmentWaiting, told == ledger.ShipmentReported && a.Finished <= s.Uploads:
		s.Posted = nil // it was not accepted
		if s.Unclear++; s.Unclear >= mostUnclear {
			s.fail(problemUnclear)
			return
		}
		s.wait(now)
	case told == ledger.ShipmentReported: // posting ours would spend the one correction: a person decides
		s.Posted, s.Uploads = nil, max(s.Uploads, a.Finished)
		s.fail(problemDiffers)
		s.become(told)
	case told != "":
		s.Posted = nil
		s.become(told)
		s.fail(problemOver)
	default: // nothing that anybody knows
		s.wait(now)
	}
}

// found takes over what get_order shows of a payment whose report is open and was not posted: who entered that elsewhere meant it, and posting ours in its
// place would spend the one correction. The same report again changes nothing of it; a person, or other content, does.
func (s *Shipment) found(a ledger.ShippingAnswer) {
	told, known := stateOf(a.OrderState), s.Uploads
	s.lookedUp(a)
	switch {
	case told == ledger.ShipmentConfirmed || told == ledger.ShipmentSettled:
		s.fail(problemOver)
	case told != ledger.ShipmentReported || a.Finished <= known: // nothing is there, or parts, or what was known when this was reported
		return
	case a.Finished >= allUploads:
		s.fail(problemCorrected)
	default:
		s.Stage, s.Problem = ledger.ReportDone, problemDiffers
	}
	if a.Has && a.Of.Same(s.Shipping) { // and not what was reported since
		s.Stage, s.Problem = ledger.ReportDone, ledger.ShippingProblem{}
	}
}

// lookedUp records what get_order says of money that is frozen; of an answer that was none, nothing.
func (s *Shipment) lookedUp(a ledger.ShippingAnswer) {
	told := stateOf(a.OrderState)
	if s.doubted() && told != "" { // WeChat knows it
		s.State = ledger.ShipmentWaiting
	}
	s.Uploads = max(s.Uploads, min(a.Finished, allUploads)) // also what was entered by hand
	if told != ledger.ShipmentReported || s.Uploads > 0 {   // else WeChat has parts
		s.become(told)
	}
}

// schedule says when WeChat is asked next: a report that is open is due when it is.
func (s *Shipment) schedule(a ledger.ShippingAnswer, now time.Time) {
	s.close()
	if s.over() || s.Stage == ledger.ReportOpen {
		return
	}
	s.rest(now)
	if a.Result == ledger.ShippingTransient || a.Result == ledger.ShippingUnknown {
		s.Due = earlier(s.Due, now.Add(shipRetry))
	}
}

// vain goes on after an attempt that brought nothing.
func (s *Shipment) vain(a ledger.ShippingAnswer, now time.Time) {
	ask := a.Step == ledger.ShippingAsk
	if !ask || a.Result == ledger.ShippingNotFound || s.Posted == nil {
		s.Problem = a.Problem
	}
	switch {
	case a.Result == ledger.ShippingUnknown || ask && a.Result != ledger.ShippingNotFound && a.Result != ledger.ShippingFinal:
		s.wait(now) // it is still not known whether WeChat has it
		return
	case ask && a.Result == ledger.ShippingFinal:
		s.fail(a.Problem)
		return
	}
	s.Posted = nil
	switch {
	case a.Result == ledger.ShippingFinal, a.Result == ledger.ShippingAgain && s.Last == ledger.ShippingAgain:
		s.fail(a.Problem)
	case a.Result == ledger.ShippingNotFound && s.Missed == len(shipUnknown):
		s.fail(a.Problem)
	case a.Result == ledger.ShippingNotFound:
		s.Due = now.Add(shipUnknown[s.Missed])
		s.Missed++
		s.Tries++
	default:
		s.wait(now)
	}
}

// wait makes the report due later each time.
func (s *Shipment) wait(now time.Time) {
	s.Due = now.Add(shipBackoff[min(s.Tries, len(shipBackoff)-1)])
	s.Tries++
}

// fail ends the report. What WeChat has accepted before it stays.
func (s *Shipment) fail(p ledger.ShippingProblem) {
	s.Stage, s.Problem = ledger.ReportFailed, p
	if s.State == ledger.ShipmentWaiting {
		s.State = ledger.ShipmentFailed
	}
}

func (s *Shipment) unmanaged(p ledger.ShippingProblem) {
	s.Posted = nil
	if s.Stage == ledger.ReportOpen {
		s.Stage, s.Problem = ledger.ReportFailed, p
	}
	if s.State.Frozen() {
		s.State = ledger.ShipmentUnmanaged
	}
}

// refund ends a shipment whose money went back.
func (s *Shipment) refund() {
	s.State = ledger.ShipmentRefunded
	s.close()
}

// close leaves nothing to do when the money went its way.
func (s *Shipment) close() {
	if !s.over() {
		return
	}
	s.Due = time.Time{}
	if s.Stage == ledger.ReportOpen {
		s.Stage = ledger.ReportFailed
		s.Problem = problemOver
	}
}

// rest makes the shipment due in the daily round; of old payments less often.
func (s *Shipment) rest(now time.Time) { s.Due = now.Add(s.gap(now)) }

func (s *Shipment) gap(now time.Time) time.Duration {
	return max(shipDaily, now.Sub(s.TimePaid)/10)
}

// stateOf is what get_order's order_state says; empty: nothing.
func stateOf(orderState int) ledger.ShipmentState {
	switch orderState {
	case 1:
		return ledger.ShipmentWaiting
	case 2:
		return ledger.ShipmentReported
	case 3, 6:
		return ledger.ShipmentConfirmed
	case 4:
		return ledger.ShipmentSettled
	case 5:
		return ledger.ShipmentRefunded
	}
	return ""
}

// become records what WeChat says of the money; that goes one way only.
func (s *Shipment) become(told ledger.ShipmentState) {
	if far := progress(told); far > progress(s.State) {
		s.State = told
	}
}

func progress(s ledger.ShipmentState) int {
	switch s {
	case ledger.ShipmentReported:
		return 1
	case ledger.ShipmentConfirmed:
		return 2
	case ledger.ShipmentSettled:
		return 3
	case ledger.ShipmentRefunded:
		return 4
	}
	return 0
}

// checkAnswer says why an answer is none.
func checkAnswer(a ledger.ShippingAnswer) error {
	switch a.Result {
	case ledger.ShippingNotFound, ledger.ShippingTransient, ledger.ShippingAgain, ledger.ShippingUnknown, ledger.ShippingFinal, ledger.ShippingUnmanaged:
		if a.Step == ledger.ShippingPost || a.Step == ledger.ShippingAsk {
			return nil
		}
	case ledger.ShippingAccepted:
		if a.Step == ledger.ShippingPost {
			return nil
		}
	case ledger.ShippingTold:
		if a.Step == ledger.ShippingAsk {
			return nil
		}
	}
	return fmt.Errorf("ledger: an attempt to %q about shipping cannot end as %q", a.Step, a.Result)
}
