import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Capabilities, Machine } from '../../harness/machine.ts';
import { unicornX64 } from '../../harness/machines/unicorn/unicorn-x64.ts';
import { WorkerMachine } from '../../harness/machines/worker/worker-machine.ts';
import { PACKAGE_FOLDER } from '../../harness/package.ts';
import type { MachineUnderTest } from './contract.ts';
import { describeLifeContract } from './life-contract.ts';
import { describeX64Contract } from './x64-contract.ts';
import { HandmadeTables } from './x64-tables.ts';

const isBuilt = existsSync(join(PACKAGE_FOLDER, 'dist', 'bundle', 'machine-worker.js'));

/** Threads run what was built last: `npm test` builds first. */
describe.runIf(isBuilt)('a machine in a thread of its own keeps the contract of machines', () => {
  const opened: Machine[] = [];
  let capabilities: Capabilities;
  let shared: Machine;
  const open = async () => {
    const machine = new WorkerMachine(unicornX64.name, capabilities, {});
    opened.push(machine);
    return machine;
  };
  beforeAll(async () => {
    ({ capabilities } = await unicornX64.open());
    shared = await open();
  });
  afterAll(async () => {
    for (const machine of opened) await machine.close();
  });

  const subject: MachineUnderTest = {
    open,
    async loaded(image) {
      await shared.load(image);
      return shared;
    },
  };
  describeLifeContract(subject, () => new HandmadeTables());
  describeX64Contract(subject);

  test('says so if there is no such machine', async () => {
    const machine = new WorkerMachine('unicorn-z80', capabilities, {});
    await expect(machine.load(new HandmadeTables())).rejects.toMatchObject({
      code: 'absent',
      message: 'unicorn-z80: no machine has this name',
    });
    await machine.close();
  });
});
