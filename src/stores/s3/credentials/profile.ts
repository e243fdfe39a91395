/**
 * The keys of a profile in a file such as `~/.aws/credentials`, which is read again when it changes:
 *
 *   [name]
 *   aws_access_key_id = ...
 *   aws_secret_access_key = ...
 *   aws_session_token = ...          # with temporary keys
 *
 * https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html. A profile that needs a person (SSO), another role or a program is
 * refused with that reason.
 */
import { readTextFile } from '../../../config/files/text-file.ts';
import { createWatchedFiles } from '../../../config/files/watched-file.ts';
import { EntrepotError } from '../../../errors.ts';
import type { Clock } from '../../../lib/clock.ts';
import type { Credentials } from '../../credentials.ts';
import type { Exchanges } from '../../exchange.ts';
import type { AccessKey } from '../signature.ts';

export interface ProfileDeps {
  readonly clock: Clock;
  readonly exchanges: Pick<Exchanges, 'error'>;
}

type Settings = Readonly<Record<string, string>>;

const largestFile = 1024 * 1024;
/** ms for which a file that is being rewritten is given. */
const rewriteTime = 5000;
/** Other ways to get keys, none of which a server has. */
const unsupported = ['sso_session', 'sso_start_url', 'credential_process', 'role_arn'];

/** `get` rejects StoreError `refused`. */
export function createProfile(
  { file, profile }: { readonly file: string; readonly profile: string },
  { clock, exchanges }: ProfileDeps,
): Credentials<AccessKey> {
  const files = createWatchedFiles((path) => keyOf(read(path), { file, profile }), { clock, rewriteTime });
  function current(): AccessKey {
    try {
      return files.get(file);
    } catch (error) {
      if (!(error instanceof EntrepotError)) throw error;
      throw exchanges.error('refused', error.located);
    }
  }

  return {
    async get(signal) {
      signal?.throwIfAborted();
      return current();
    },
    doubt: ({ secretKey }) => secretKey !== current().secretKey,
  };
}

function read(path: string): string {
  const text = readTextFile(path, { code: 'CREDENTIALS_UNUSABLE', maxBytes: largestFile });
  if (text !== undefined) return text;
  throw new EntrepotError(
    'CREDENTIALS_UNUSABLE',
    'there is no such file: AWS_PROFILE names a profile in it',
    {
      file: path,
    },
  );
}

/** Throws EntrepotError CREDENTIALS_UNUSABLE; its message shows no secret. */
function keyOf(
  text: string,
  { file, profile }: { readonly file: string; readonly profile: string },
): AccessKey {
  const settings = profileIn(text, profile);
  const fail = (message: string): never => {
    throw new EntrepotError('CREDENTIALS_UNUSABLE', `the profile "${profile}" ${message}`, { file });
  };
  if (!settings) return fail('is not there');
  const {
    aws_access_key_id: accessKey,
    aws_secret_access_key: secretKey,
    aws_session_token: token,
  } = settings;
  if (accessKey && secretKey) return { accessKey, secretKey, ...(token && { sessionToken: token }) };
  const other = unsupported.find((name) => settings[name]);
  return fail(
    other === undefined
      ? 'has no aws_access_key_id and aws_secret_access_key'
      : `gets its keys by ${other}, which is not supported: write the keys, or give the server a role`,
  );
}

/** The settings of one section; undefined where there is none. Lines that are indented belong to the setting before, and are none. */
function profileIn(text: string, profile: string): Settings | undefined {
  let found: Record<string, string> | undefined;
  let isInside = false;
  for (const line of text.split(/\r?\n/)) {
    const section = /^\[\s*(?:profile\s+)?"?([^\]"]+?)"?\s*\]/.exec(line)?.[1];
    if (section !== undefined) {
      isInside = section === profile;
      if (isInside) found ??= {};
      continue;
    }
    const [, name, value] = /^([A-Za-z_]\w*)\s*=\s*(.*?)\s*(?:\s[#;].*)?$/.exec(line) ?? [];
    if (isInside && found && name !== undefined) found[name.toLowerCase()] = value ?? '';
  }
  return found;
}
