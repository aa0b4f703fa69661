import { expect, test } from 'vitest';
import { MACHINES, MachineSelectionError, selectMachines } from './registry.ts';

const names = (...args: Parameters<typeof selectMachines>): string[] =>
  selectMachines(...args).map((machine) => machine.name);

test('no names select every machine of the architecture, and none of another', () => {
  expect(names([], 'x64')).toEqual(['qemu-x64', 'unicorn-x64']);
  expect(names([], 'aarch64')).toEqual(['qemu-aarch64', 'unicorn-aarch64']);
});

test("a family's name selects its machine of the input's architecture", () => {
  expect(names(['qemu'], 'x64')).toEqual(['qemu-x64']);
  expect(names(['qemu'], 'aarch64')).toEqual(['qemu-aarch64']);
});

test('without an architecture a name selects its machine, and a family all of its machines', () => {
  const selected = (...wanted: readonly string[]) => selectMachines(wanted).map(({ name }) => name);
  expect(selected()).toEqual(MACHINES.map(({ name }) => name));
  expect(selected('unicorn-aarch64', 'qemu')).toEqual(['qemu-x64', 'qemu-aarch64', 'unicorn-aarch64']);
  expect(() => selectMachines(['aarch64'])).toThrow(
    /'aarch64'; there are: qemu, qemu-x64, unicorn, .*aarch64/,
  );
});

test('a machine that is named twice is selected once, in the order of reports', () => {
  expect(names(['unicorn', 'qemu-x64', 'unicorn-x64'], 'x64')).toEqual(['qemu-x64', 'unicorn-x64']);
});

test('an unknown name is an error that quotes it and lists the names there are', () => {
  expect(() => selectMachines(['qemuu'], 'x64')).toThrow(
    new MachineSelectionError(
      "no machine is called 'qemuu'; for x64 there are: qemu, qemu-x64, unicorn, unicorn-x64",
    ),
  );
});

test("a machine of another architecture than the input's is an error that says so", () => {
  expect(() => selectMachines(['qemu-aarch64'], 'x64')).toThrow(
    new MachineSelectionError("machine 'qemu-aarch64' runs aarch64 tables, but the input is x64"),
  );
});

test('every registered machine loads a provider of its own name and architecture', async () => {
  for (const { name, architecture, provider } of MACHINES) {
    expect(await provider()).toMatchObject({ name, architecture });
  }
});
