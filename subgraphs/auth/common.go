package auth

import (
	_ "embed"
	"strings"
	"sync"
	"unicode"
)

// commonWords are the words that lists of leaked passwords turn around, in
// several languages and keyboard layouts.
//
//go:embed common.txt
var commonWords string

// leakedPasswords are the passwords of eight characters and more among the 30,000
// that are most frequent in leaks, the most frequent first, one a line: from
// zxcvbn 4.4.2 (MIT, Dan Wheeler and Dropbox), which took them from Mark Burnett's
// ten million.
//
//go:embed leaked.txt
var leakedPasswords string

var leaked = sync.OnceValue(func() map[string]bool {
	set := map[string]bool{}
	for line := range strings.Lines(leakedPasswords) {
		set[strings.TrimSuffix(line, "\n")] = true
	}
	return set
})

var common = sync.OnceValue(func() map[string]bool {
	words := map[string]bool{}
	for _, w := range strings.Fields(commonWords) {
		words[w] = true
	}
	return words
})

// unleet undoes the usual exchange of letters for signs.
var unleet = strings.NewReplacer("@", "a", "4", "a", "3", "e", "1", "i", "!", "i", "0", "o", "$", "s", "5", "s", "7", "t")

// isCommon reports whether a password is one of the first that are tried.
//
// There is a list of leaked ones, and beyond it we know how the long lists are
// made: a word from a short list, in any case, with letters exchanged for signs, repeated,
// or with figures and signs before and after it (Password1!, qwerty123,
// p@ssw0rd, dragondragon); figures only, when they are a date, a run, or few
// different ones; two such words in a row.
func isCommon(password string) bool {
	s := strings.ToLower(password)
	s = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, s)
	if leaked()[s] || isPattern(s) {
		return true
	}
	for _, form := range []string{s, unleet.Replace(s)} {
		if isDressed(form) {
			return true
		}
	}
	// Signs at the ends are decoration, those inside stand for letters.
	return isDressed(unleet.Replace(trimDecoration(s)))
}

func trimDecoration(s string) string {
	return strings.TrimFunc(s, func(r rune) bool { return !unicode.IsLetter(r) })
}

func isDressed(s string) bool {
	words := common()
	core := period(trimDecoration(s))
	if core == "" {
		return false
	}
	if words[core] {
		return true
	}
	// Two words in a row, with or without figures and signs between them.
	for i := range core {
		if i > 0 && words[trimDecoration(core[:i])] && words[trimDecoration(core[i:])] {
			return true
		}
	}
	return false
}

// isPattern reports whether s is a run, or a short piece over and over, or
// eight figures that make a date.
func isPattern(s string) bool {
	r := []rune(s)
	if len([]rune(period(s))) <= min(4, len(r)/2) {
		return true
	}
	steps := map[rune]int{}
	digits := true
	for i := range r {
		if i > 0 {
			steps[r[i]-r[i-1]]++
		}
		digits = digits && r[i] >= '0' && r[i] <= '9'
	}
	// All but one or two steps go up by one, or down by one: 12345678,
	// 87654321, 1234567890, abcdefgh.
	for _, step := range []rune{1, -1} {
		if len(r) > 3 && steps[step] >= len(r)-3 {
			return true
		}
	}
	if digits && len(r) == 8 {
		day := func(d, m string) bool { return d >= "01" && d <= "31" && m >= "01" && m <= "12" }
		year := func(y string) bool { return y >= "1900" && y <= "2099" }
		return year(s[4:]) && (day(s[:2], s[2:4]) || day(s[2:4], s[:2])) || year(s[:4]) && day(s[6:], s[4:6])
	}
	return false
}

// period is the shortest piece that s is a repetition of; s itself if none.
func period(s string) string {
	if i := strings.Index((s + s)[min(1, len(s)):], s); i >= 0 && i+1 < len(s) {
		return s[:i+1]
	}
	return s
}
