package router

// KeptPlans counts all kept plans.
func KeptPlans(rt *Router) int { return rt.Plans() }

// OpenStreams counts open connections and event streams.
func OpenStreams(rt *Router) int { return rt.streams.count() }

// CheckDocument parses and measures a document as a request's is.
func CheckDocument(text string) error {
	l := Limits{}.withDefaults()
	doc, rejected := parseDocument(text, l)
	if rejected != nil {
		return rejected
	}
	if _, rejected := checkLimits(doc, l); rejected != nil {
		return rejected
	}
	return nil
}

// FillStrangers takes all places of callers who are not signed in.
func FillStrangers(rt *Router) {
	for range cap(rt.strangers) {
		rt.strangers <- struct{}{}
	}
}
