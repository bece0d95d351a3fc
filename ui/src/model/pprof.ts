// The command line that opens the evidence in the tool people know.

/** `base` and `url` are absolute addresses of profiles. */
export function pprofLine(url: string, base?: string): string {
  return base ? `go tool pprof -diff_base ${quote(base)} ${quote(url)}` : `go tool pprof ${quote(url)}`;
}

function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
