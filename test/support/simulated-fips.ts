/**
 * Loaded before the program (`node --import`), in its threads as well: node:crypto then refuses what OpenSSL's FIPS provider refuses, and
 * says that FIPS is in force. It shows which algorithms the program asks for; it is no proof of what a real module does.
 */
import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';

const approved = /^(?:rsa-)?sha-?(?:1|224|256|384|512|512-256|3-256|3-384|3-512)$/i;

/** In the words of OpenSSL. */
function refuse(what: string): never {
  throw new Error(`error:0308010C:digital envelope routines::unsupported: ${what}`);
}

const target = crypto as unknown as Record<string, (...args: unknown[]) => unknown>;

for (const name of ['createHash', 'createHmac', 'hash', 'createSign', 'createVerify']) {
  const original = target[name]!;
  target[name] = (...args) => (approved.test(String(args[0])) ? original(...args) : refuse(String(args[0])));
}
for (const name of ['sign', 'verify']) {
  const original = target[name]!;
  target[name] = (...args) =>
    args[0] === null || args[0] === undefined || /^sha-?(?:256|384|512)$/i.test(String(args[0]))
      ? original(...args)
      : refuse(`${name} with ${String(args[0])}`);
}
for (const name of ['scrypt', 'scryptSync', 'argon2', 'argon2Sync']) target[name] = () => refuse(name);
for (const name of ['createCipheriv', 'createDecipheriv']) {
  const original = target[name]!;
  target[name] = (...args) => (/^aes-/i.test(String(args[0])) ? original(...args) : refuse(String(args[0])));
}
target.getFips = () => 1;
syncBuiltinESMExports();
