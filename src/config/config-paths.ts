/**
 * Where the ecosystem keeps credentials and certificates (containers/image 5.40 and later, and podman and skopeo for the two
 * variables that name an auth file). Only the paths are computed here; the files are read when they are needed.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { AuthFilePath, ConfigPaths, ConfigWarning } from './config.ts';
import type { Drafts } from './files/drafts.ts';
import type { Environment } from './proxy-env.ts';

/** What a search for configuration files depends on. */
export interface Surroundings {
  readonly env: Environment;
  readonly home: string;
  readonly uid: number;
  /** Replaces `/` in front of fixed paths such as /etc. For tests. */
  readonly root?: string | undefined;
  /** Whether OpenSSL's FIPS provider is in force. Default: as node:crypto says. For tests. */
  readonly fips?: boolean | undefined;
  /** Texts that stand for those of configuration files, by path (`files/drafts.ts`). */
  readonly drafts?: Drafts | undefined;
}

/** The paths to search, and a warning for each variable that names a missing file or directory. */
export function configPaths(surroundings: Surroundings): {
  paths: ConfigPaths;
  warnings: readonly ConfigWarning[];
} {
  const { files, warnings } = authFilePaths(surroundings);
  return { paths: { authFiles: files, certDirectories: certDirectories(surroundings) }, warnings };
}

/** `$XDG_CONFIG_HOME`, or `~/.config` if it is unset or empty. */
export function configHome({ env, home }: Surroundings): string {
  return env.XDG_CONFIG_HOME || join(home, '.config');
}

/** `path`, which is absolute, below `root`. */
export function systemPath({ root }: Surroundings, path: string): string {
  return root === undefined ? path : join(root, path);
}

function authFilePaths(surroundings: Surroundings): {
  files: readonly AuthFilePath[];
  warnings: ConfigWarning[];
} {
  const { env, home, uid } = surroundings;
  if (env.REGISTRY_AUTH_FILE) {
    const path = env.REGISTRY_AUTH_FILE;
    const message =
      'REGISTRY_AUTH_FILE names this file, and it does not exist: no pull can find its credentials';
    const warnings = existsSync(path) ? [] : [{ file: path, message }];
    return { files: [{ path, format: 'auth.json', explicit: true }], warnings };
  }
  if (env.DOCKER_CONFIG) return { files: [implicit(join(env.DOCKER_CONFIG, 'config.json'))], warnings: [] };

  const shared = [
    implicit(join(configHome(surroundings), 'containers/auth.json')),
    implicit(join(home, '.docker/config.json')),
    { path: join(home, '.dockercfg'), format: 'dockercfg', explicit: false } as const,
  ];
  const runtime = env.XDG_RUNTIME_DIR;
  if (!runtime) {
    // After podman has run as root, only root may enter /run/containers.
    const path = systemPath(surroundings, `/run/containers/${uid}/auth.json`);
    return { files: [{ ...implicit(path), belowRoots: true }, ...shared], warnings: [] };
  }
  if (existsSync(runtime))
    return { files: [implicit(join(runtime, 'containers/auth.json')), ...shared], warnings: [] };
  const message = 'XDG_RUNTIME_DIR names this directory, and it does not exist: its auth.json is left out';
  return { files: shared, warnings: [{ file: runtime, message }] };
}

function implicit(path: string): AuthFilePath {
  return { path, format: 'auth.json', explicit: false };
}

function certDirectories(surroundings: Surroundings): readonly string[] {
  const { uid } = surroundings;
  const byUser = uid === 0 ? ['certs.rootful.d'] : [`certs.rootless.d/${uid}`, 'certs.rootless.d'];
  const system = ['/etc/containers', '/usr/share/containers'].flatMap((parent) =>
    [...byUser, 'certs.d'].map((name) => systemPath(surroundings, join(parent, name))),
  );
  const user = join(configHome(surroundings), 'containers/certs.d');
  return [user, ...system, systemPath(surroundings, '/etc/docker/certs.d')];
}
