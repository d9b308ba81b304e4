/**
 * Whether a string matches a pattern in which `*` stands for anything and `?` for one character. In time proportional to pattern times
 * text, whatever the pattern: only the last `*` is ever gone back to.
 */
export function matcher(pattern: string): (text: string) => boolean {
  const wanted = [...pattern]
  return (text) => matches(wanted, [...text])
}

function matches(pattern: readonly string[], text: readonly string[]): boolean {
  let at = 0
  let star = -1
  let resume = 0
  for (let i = 0; i < text.length; ) {
    if (pattern[at] === '*') {
      star = at++
      resume = i
    } else if (pattern[at] === '?' || (at < pattern.length && pattern[at] === text[i])) {
      at++
      i++
    } else if (star >= 0) {
      at = star + 1
      i = ++resume
    } else return false
  }
  while (pattern[at] === '*') at++
  return at === pattern.length
}
