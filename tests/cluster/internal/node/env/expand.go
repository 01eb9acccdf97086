// Package env works out the environment of a container as the kubelet does. It
// is pure: what it needs from the cluster comes through Source.
package env

import "strings"

// Expand replaces $(NAME) in s by the variable's value. A reference to an unknown
// variable stays as it is, and "$$" stands for one "$", which escapes a
// reference.
func Expand(s string, vars map[string]string) string {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(s, "$")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		switch {
		case strings.HasPrefix(rest, "$"):
			out.WriteByte('$')
			s = rest[1:]
		case strings.HasPrefix(rest, "("):
			name, after, closed := strings.Cut(rest[1:], ")")
			if value, known := vars[name]; closed && known {
				out.WriteString(value)
			} else {
				out.WriteString("$(" + name)
				if closed {
					out.WriteByte(')')
				}
			}
			s = after
		default:
			out.WriteByte('$')
			s = rest
		}
	}
}

// ExpandAll expands every element of list.
func ExpandAll(list []string, vars map[string]string) []string {
	expanded := make([]string, len(list))
	for i, s := range list {
		expanded[i] = Expand(s, vars)
	}
	return expanded
}
