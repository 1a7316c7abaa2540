package session

import "io"

// 32 letters and digits that nobody mixes up, so that five bits make one.
const alphabet = "23456789abcdefghjkmnpqrstuvwxyz1"

// RandomText is n letters and digits that nobody can guess.
func RandomText(random io.Reader, n int) string {
	text := make([]byte, n)
	if _, err := io.ReadFull(random, text); err != nil {
		panic(err) // crypto/rand never fails
	}
	for i, b := range text {
		text[i] = alphabet[b&31]
	}
	return string(text)
}
