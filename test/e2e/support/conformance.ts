/**
 * The conformance suites of the OCI distribution specification: the program on the specification's main branch, and the tests of
 * the time of version 1.1, which registries of the last years were certified with. .ci/go-programs pins and builds both.
 */
import { type Environment, run } from './programs.ts';

export interface Verdict {
  readonly passed: number;
  /** Names of what did not pass, and is neither skipped nor switched off. */
  readonly failed: readonly string[];
  /** The end of what the suite wrote. */
  readonly summary: string;
}

export interface SuiteOrder {
  /** `HOST:PORT`, plain HTTP. */
  readonly host: string;
  readonly account?: { readonly username: string; readonly password: string } | undefined;
  /** Empty, for reports. */
  readonly folder: string;
  readonly env: Environment;
}

export interface CurrentSuiteOrder extends SuiteOrder {
  readonly version: '1.1' | 'dev';
  readonly repositories: readonly [string, string];
  /** What is there to be read. Nothing is pushed then, nor deleted. */
  readonly readOnly?: ReadOnlyData;
  /** Whether pushed tags are expected in the list of tags. Default: yes. */
  readonly listsTags?: boolean;
  /** The start of the names of the tests to run. Default: all. */
  readonly only?: string | undefined;
}

export interface ReadOnlyData {
  readonly tags: readonly string[];
  readonly manifests: readonly string[];
  readonly blobs: readonly string[];
  /** Digests that have referrers. */
  readonly referrers: readonly string[];
}

/** Program `conformance`. */
export async function runCurrentSuite(order: CurrentSuiteOrder): Promise<Verdict> {
  const { host, account, folder, env, version, repositories, readOnly, listsTags = true, only } = order;
  const text = await output('conformance', [], {
    ...env,
    OCI_VERSION: version,
    OCI_REGISTRY: host,
    OCI_TLS: 'disabled',
    OCI_REPO1: repositories[0],
    OCI_REPO2: repositories[1],
    OCI_RESULTS_DIR: folder,
    OCI_FILTER_TEST: only ?? '',
    OCI_API_TAGS_LIST: String(listsTags),
    ...(account && { OCI_USERNAME: account.username, OCI_PASSWORD: account.password }),
    ...(readOnly && readingOnly(readOnly)),
  });
  const total = (name: string) => Number(text.match(new RegExp(`^ {2}${name}\\.+: +(\\d+)$`, 'm'))?.[1]);
  const failed = [...text.matchAll(/^ *(\S.*?)[.: ]+(?:FAIL|Error)$/gm)].map(([, name = '']) => name);
  if (Number.isNaN(total('FAIL') + total('Error'))) failed.push('the suite gave no totals');
  if (failed.length === 0 && total('FAIL') + total('Error') > 0) failed.push('a test without a name');
  return {
    passed: total('Pass'),
    failed,
    summary: text.slice(Math.max(0, text.indexOf('OCI Conformance Result'))),
  };
}

/** The suite looks for the digest of a manifest in an answer that it did not keep, where it has not pushed the manifest itself. */
function readingOnly({ tags, manifests, blobs, referrers }: ReadOnlyData): Record<string, string> {
  return {
    OCI_API_PUSH: 'false',
    OCI_API_BLOBS_DELETE: 'false',
    OCI_API_MANIFESTS_DELETE: 'false',
    OCI_API_TAGS_DELETE: 'false',
    OCI_API_MANIFESTS_DIGEST_HEADER: 'false',
    OCI_RO_DATA_TAGS: tags.join(' '),
    OCI_RO_DATA_MANIFESTS: manifests.join(' '),
    OCI_RO_DATA_BLOBS: blobs.join(' '),
    OCI_RO_DATA_REFERRERS: referrers.join(' '),
  };
}

export interface EarlierSuiteOrder extends SuiteOrder {
  readonly repositories: readonly [string, string];
  /** The one image to be read. Nothing is pushed then, nor deleted. */
  readonly readOnly?: { readonly tag: string; readonly manifest: string; readonly blob: string };
}

/** Program `conformance-1.1`: all four parts, or the one that pulls. */
export async function runEarlierSuite(order: EarlierSuiteOrder): Promise<Verdict> {
  const { host, account, folder, env, repositories, readOnly } = order;
  const all = ['PULL', 'PUSH', 'CONTENT_DISCOVERY', 'CONTENT_MANAGEMENT'];
  const text = await output('conformance-1.1', ['-test.v', '-ginkgo.no-color'], {
    ...env,
    OCI_ROOT_URL: `http://${host}`,
    OCI_NAMESPACE: repositories[0],
    OCI_CROSSMOUNT_NAMESPACE: repositories[1],
    OCI_AUTOMATIC_CROSSMOUNT: '1',
    OCI_REPORT_DIR: folder,
    ...Object.fromEntries((readOnly ? ['PULL'] : all).map((part) => [`OCI_TEST_${part}`, '1'])),
    ...(account && { OCI_USERNAME: account.username, OCI_PASSWORD: account.password }),
    ...(readOnly && {
      OCI_TAG_NAME: readOnly.tag,
      OCI_MANIFEST_DIGEST: readOnly.manifest,
      OCI_BLOB_DIGEST: readOnly.blob,
    }),
  });
  const totals = text.match(/(\d+) Passed \| (\d+) Failed/);
  const failed = [...text.matchAll(/^ *\[FAIL\] (.*)$/gm)].map(([, name = '']) => name);
  if (totals === null) failed.push('the suite gave no totals');
  if (failed.length === 0 && totals?.[2] !== '0') failed.push('a test without a name');
  return { passed: Number(totals?.[1]), failed, summary: text.slice(-4000) };
}

/** What the suite wrote, whether it found failures or not. The current one ends with a panic where it only reads, after its report. */
function output(program: string, args: readonly string[], env: Environment): Promise<string> {
  return run(program, args, env).catch((error: Error) => error.message);
}
