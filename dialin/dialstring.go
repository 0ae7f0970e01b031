package dialin

import (
	"strings"

	"vestibule/lobby"
)

// maxDialled bounds what a device may have dialled.
const maxDialled = 64

// Parse reads the meeting number and personal code out of what a device
// dialled before the @, so that nobody has to type them. It knows
//
//	meeting  meeting.code  meeting**code  meeting*code
//	##meeting#code  host##meeting#code           (Zoom)
//	##meeting##code  host##meeting##code  meeting$$code  (Polycom)
//
// Anything else, and numbers of another length than ours, is nothing: the
// caller is asked.
func Parse(user string) (number, code string) {
	if len(user) > maxDialled {
		return "", ""
	}
	if host, rest, ok := strings.Cut(user, "##"); ok && !isNumber(host) {
		user = rest
	}
	user = strings.TrimSuffix(user, "#")
	number = user
	for _, sep := range []string{"**", "##", "$$", ".", "#", "*"} {
		if n, c, ok := strings.Cut(user, sep); ok {
			number, code = n, c
			break
		}
	}
	if !isNumber(number) || code != "" && !isCode(code) {
		return "", ""
	}
	return number, code
}

func isNumber(s string) bool { return len(s) == lobby.NumberDigits && digits(s) }
func isCode(s string) bool   { return len(s) == lobby.CodeDigits && digits(s) }

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
