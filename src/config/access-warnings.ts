/** Rights that every machine of a network gets without an account. */
import { literalKind } from '../lib/address-kind.ts';
import type { ConfigWarning, Right, ServerConfig } from './config.ts';

const changing: readonly Right[] = ['push', 'delete', 'administer'];

/** One warning if a client without an account may change something, on an address that other machines reach. */
export function openAccessWarnings(
  { access, listen, tls }: Pick<ServerConfig, 'access' | 'listen' | 'tls'>,
  file: string | undefined,
): readonly ConfigWarning[] {
  if (file === undefined || literalKind(listen.host) === 'loopback' || tls.clientCa !== undefined) return [];
  const rules = access.rules.filter(({ who }) => who.includes('anonymous'));
  const given = new Set([...access.anonymous, ...rules.flatMap(({ may }) => may)]);
  const found = changing.filter((right) => given.has(right));
  if (found.length === 0) return [];
  const message =
    `every machine that reaches ${listen.host} may ${found.join(', ')} without an account ("anonymous" in [access]): ` +
    'name accounts in who, or listen on 127.0.0.1';
  const line = rules.find(({ may }) => may.some((right) => changing.includes(right)))?.line;
  return [{ file, ...(access.anonymous.some((right) => changing.includes(right)) ? {} : { line }), message }];
}
