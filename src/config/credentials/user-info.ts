/**
 * A user name and password in front of a host, `user:pw@host`, which people write where only a host belongs. No message,
 * no explanation and no error for a client may repeat the password. `name@sha256:...` is no user info.
 */

/** What stands for user info. */
export const hiddenUserInfo = '***@';

/** `https://user:pw@host/x` -> `https://***@host/x`. `text` is one value: a location, a prefix, a host. */
export function withoutUserInfo(text: string): string {
  return text.replace(/^([a-z]+:\/\/)?.*@(?!sha\d+:)/is, `$1${hiddenUserInfo}`);
}

/**
 * The same for every value in quotes of a message or of a line of TOML, and for one without quotes after `=`. Lengths and
 * columns stay as they are.
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
