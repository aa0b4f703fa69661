import { readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { expect, test } from 'vitest';
import type { GuestImage } from '../../harness/machine.ts';
import { AccessList } from '../../src/access-list.ts';
import { EL1_REGISTERS, X64_REGISTERS } from '../support/registers.ts';
import type { MachineUnderTest } from './contract.ts';

/** What every machine promises about its beginning and its end. */
export function describeLifeContract(subject: MachineUnderTest, image: () => GuestImage): void {
  const noProbes = { accesses: new AccessList(0), expectedFrames: new Float64Array(0) };

  test('close leaves no process and no file, and may be called at any time and again', async () => {
    const before = { processes: childProcesses(), files: temporaryFiles() };
    const machine = await subject.open();
    await machine.close();
    await machine.load(image());
    await machine.probe(noProbes);
    await machine.close();
    await machine.close();
    expect(childProcesses()).toEqual(before.processes);
    expect(temporaryFiles()).toEqual(before.files);
  });

  test('no file can be left behind while a machine runs, because none has a name', async () => {
    const before = temporaryFiles();
    const machine = await subject.open();
    await machine.load(image());
    expect(temporaryFiles()).toEqual(before);
    await machine.close();
  });

  test('without an image there is nothing to probe or to read back', async () => {
    const machine = await subject.open();
    await expect(machine.probe(noProbes)).rejects.toMatchObject({ name: 'MachineError' });
    await machine.load(image());
    await machine.close();
    await expect(machine.probe(noProbes)).rejects.toMatchObject({ name: 'MachineError' });
    await expect(machine.readBack()).rejects.toMatchObject({ name: 'MachineError' });
  });

  test('an image of another architecture is unfit, and leaves the machine usable', async () => {
    const machine = await subject.open();
    const before = childProcesses();
    const { memory, registers } = image();
    const foreign = registers.architecture === 'x64' ? EL1_REGISTERS : X64_REGISTERS;
    await expect(machine.load({ memory, registers: foreign })).rejects.toMatchObject({ code: 'unfit' });
    expect(childProcesses()).toEqual(before);
    await machine.load(image());
    expect((await machine.probe(noProbes)).outcomes.length).toBe(0);
    await machine.close();
  });
}

/** Processes that this one started and that still are; undefined where the system does not tell. */
export function childProcesses(): string[] | undefined {
  try {
    return readdirSync('/proc/self/task').flatMap((task) =>
      readFileSync(`/proc/self/task/${task}/children`, 'utf8').split(' ').filter(Boolean),
    );
  } catch {
    return undefined;
  }
}

/** Files with mmucheck's name in the folders for temporary files. */
function temporaryFiles(): string[] {
  return ['/dev/shm', tmpdir()].flatMap((folder) => {
    try {
      return readdirSync(folder).filter((name) => name.startsWith('mmucheck'));
    } catch {
      return [];
    }
  });
}
