/**
 * What FIPS 140-3 rules out. With OpenSSL's FIPS provider in force, node:crypto refuses every algorithm that the module has not. What is
 * configured and needs another one, or does its cryptography outside the module, is an error here and not at its first use.
 * docs/fips.md says how the provider is put in force.
 */
import { EntrepotError } from '../errors.ts';
import type { ServerConfig } from './config.ts';
import type { LoadedGate } from './gates/gate-config.ts';
import type { SettingInForce } from './settings.ts';

/** One error for each setting. Empty where there is none, and where FIPS is not in force. */
export function fipsProblems(
  isInForce: boolean,
  { access, stores }: Pick<ServerConfig, 'access' | 'stores'>,
  gates: readonly LoadedGate[],
  settings: readonly SettingInForce[],
): readonly EntrepotError[] {
  if (!isInForce) return [];
  const problem = (isOf: (key: string) => boolean, what: string, wayOut: string): EntrepotError => {
    const from = settings.find(({ key, from }) => isOf(key) && from.kind === 'file')?.from;
    const message = `${what}, and FIPS is in force (docs/fips.md): ${wayOut}`;
    return new EntrepotError('CONFIG_INVALID', message, from?.kind === 'file' ? from : {});
  };
  const problems: EntrepotError[] = [];
  if (access.htpasswd !== undefined) {
    problems.push(
      problem(
        (key) => key === 'access.htpasswd',
        'access.htpasswd has passwords hashed with bcrypt, which is no approved algorithm',
        'use robot tokens, [[access.oidc]] or client certificates',
      ),
    );
  }
  for (const store of stores) {
    if (store.kind !== 's3' || !store.cloudFront) continue;
    problems.push(
      problem(
        (key) => /^store\[\d+\]\.cloudfront\./.test(key),
        `cloudfront of [[store]] "${store.name}" signs URLs with SHA-1, which is no approved algorithm for signatures`,
        'let clients have URLs of the bucket itself',
      ),
    );
  }
  for (const gate of gates) {
    if (gate.kind !== 'signature') continue;
    const all = [gate.rules.default, ...gate.rules.docker.values()].flat();
    const gpg = all.find(({ type }) => type === 'signedBy');
    if (!gpg) continue;
    const message =
      `${gpg.field} of [[gate]] "${gate.name}" is signedBy, whose GPG signatures are checked outside of OpenSSL's module, ` +
      'and FIPS is in force (docs/fips.md): use sigstoreSigned with a key';
    problems.push(new EntrepotError('CONFIG_INVALID', message, { file: gate.rules.file }));
  }
  return problems;
}
