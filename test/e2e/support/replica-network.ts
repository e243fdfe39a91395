/**
 * A network of machines for replicas: a namespace for each, all on one switch, which this process is connected to as well. Two of them can be
 * cut off from each other, and one from all.
 *
 *   10.N.0.1 .. 10.N.0.4   a namespace each     10.N.0.254   the process that runs the tests: the registry and the clients
 */
import { execFileSync } from 'node:child_process';
import { randomInt } from 'node:crypto';

export interface ReplicaNetwork {
  /** Address of this process. */
  readonly here: string;
  /** Of each machine. */
  readonly addresses: readonly string[];
  /** A command line that runs on a machine. */
  on(
    machine: number,
    command: string,
    args: readonly string[],
  ): readonly [command: string, args: readonly string[]];
  /** No packet passes between these two machines from now on. */
  part(one: number, other: number): void;
  /** All can reach each other again. */
  join(): void;
  stop(): void;
}

export const networkPrograms: readonly string[] = ['ip', 'bridge'];

/** Nothing of it stays when it cannot be made. */
export function startReplicaNetwork(machines: number): ReplicaNetwork {
  const name = `ent${randomInt(36 ** 5).toString(36)}`;
  const net = `10.${randomInt(128, 250)}.${randomInt(250)}`;
  const made: string[] = [];

  function ip(...args: string[]): void {
    execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  }
  function namespace(one: string): string {
    ip('netns', 'add', one);
    made.push(one);
    ip('-n', one, 'link', 'set', 'lo', 'up');
    return one;
  }
  const portOf = (machine: number) => `${name}p${machine}`;

  const hub = `${name}-hub`;
  try {
    namespace(hub);
    ip('-n', hub, 'link', 'add', 'br0', 'type', 'bridge');
    ip('-n', hub, 'link', 'set', 'br0', 'up');
    ip('link', 'add', `${name}h`, 'type', 'veth', 'peer', 'name', 'uplink', 'netns', hub);
    ip('-n', hub, 'link', 'set', 'uplink', 'master', 'br0', 'up');
    ip('addr', 'add', `${net}.254/24`, 'dev', `${name}h`);
    ip('link', 'set', `${name}h`, 'up');
    for (let machine = 0; machine < machines; machine += 1) {
      const own = namespace(`${name}-${machine}`);
      ip('link', 'add', portOf(machine), 'netns', hub, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', own);
      ip('-n', hub, 'link', 'set', portOf(machine), 'master', 'br0', 'up');
      ip('-n', own, 'addr', 'add', `${net}.${machine + 1}/24`, 'dev', 'eth0');
      ip('-n', own, 'link', 'set', 'eth0', 'up');
    }
  } catch (error) {
    for (const one of made) ip('netns', 'del', one);
    throw error;
  }

  /** Isolated ports of a bridge reach every port but each other. */
  function isolate(machine: number, how: 'on' | 'off'): void {
    ip('netns', 'exec', hub, 'bridge', 'link', 'set', 'dev', portOf(machine), 'isolated', how);
  }

  return {
    here: `${net}.254`,
    addresses: Array.from({ length: machines }, (_, machine) => `${net}.${machine + 1}`),
    on: (machine, command, args) => ['ip', ['netns', 'exec', `${name}-${machine}`, command, ...args]],
    part(one, other) {
      isolate(one, 'on');
      isolate(other, 'on');
    },
    join() {
      for (let machine = 0; machine < machines; machine += 1) isolate(machine, 'off');
    },
    stop() {
      ip('link', 'del', `${name}h`);
      for (const one of made) ip('netns', 'del', one);
    },
  };
}
