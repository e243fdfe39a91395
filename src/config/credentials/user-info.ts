/**
 * User info: a user name and password in front of a host, `user:pw@host`. People write it where only a host belongs. No message,
 * explanation or error for a client may show the password. `name@sha256:...` is not user info.
 */

/** Shown instead of user info. */
export const hiddenUserInfo = '***@';

/** `https://user:pw@host/x` -> `https://***@host/x`. `text` is one value: a location, a prefix, a host. */
export function withoutUserInfo(text: string): string {
  return text.replace(/^([a-z]+:\/\/)?.*@(?!sha\d+:)/is, `$1${hiddenUserInfo}`);
}

/**
 * As `withoutUserInfo`, for every value of a message or of a line of TOML that is in quotes or follows `=`. The text keeps its
 * length, so that columns stay right.
 */
export function withoutQuotedUserInfo(text: string): string {
  const inQuotes = [/"[^"\n]*@(?!sha\d+:)/g, /'[^'\n]*@(?!sha\d+:)/g, /=[ \t]*[^\s"'[{][^\n]*@(?!sha\d+:)/g];
  return inQuotes.reduce((shown, pattern) => shown.replaceAll(pattern, masked), text);
}

function masked(found: string): string {
  const [, start = '', secret = ''] = /^(["']|=[ \t]*)(.*)@$/s.exec(found) ?? [];
  const scheme = /^[a-z]+:\/\//i.exec(secret)?.[0] ?? '';
  return `${start}${scheme}${'*'.repeat(secret.length - scheme.length)}@`;
}
