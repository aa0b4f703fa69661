import { expect, test } from 'vitest';
import { Known } from '../../src/outcome-list.ts';
import type { Architecture } from '../../src/registers.ts';
import type { RegisteredMachine } from '../machines/registry.ts';
import { runDoctor } from './doctor.ts';

function here(name: string, architecture: Architecture, observes: number): RegisteredMachine {
  const capabilities = {
    architecture,
    version: '7.2.22',
    observes,
    features: ['LA57'],
    limits: ['reserved-bit faults come with P=0'],
  };
  return fake(name, architecture, { available: true, capabilities });
}

function absent(name: string, architecture: Architecture, reason: string): RegisteredMachine {
  return fake(name, architecture, { available: false, reason });
}

type Detected = Awaited<ReturnType<Awaited<ReturnType<RegisteredMachine['provider']>>['detect']>>;

function fake(name: string, architecture: Architecture, detected: Detected): RegisteredMachine {
  const open = async (): Promise<never> => {
    throw new Error('doctor starts no machine');
  };
  return {
    name,
    architecture,
    provider: async () => ({ name, architecture, detect: async () => detected, open }),
  };
}

async function doctor(machines: readonly RegisteredMachine[], json: boolean) {
  let output = '';
  const status = await runDoctor({ json, machines, write: (text) => (output += text) });
  return { status, output };
}

const QEMU = here('qemu-x64', 'x64', Known.Completion | Known.FaultStatus | Known.FaultAddress);

test('doctor says in words what a machine observes, what it does not, and its limits', async () => {
  const { status, output } = await doctor([QEMU], false);
  expect(status).toBe(0);
  expect(output).toContain('qemu-x64              7.2.22\n  observes: completion, error code, CR2\n');
  expect(output).toContain('  does not observe: vector, physical address, memory type\n');
  expect(output).toContain('  features: LA57\n  limit: reserved-bit faults come with P=0\n');
});

test('an absent machine is listed with its reason and the command that fixes it', async () => {
  const { status, output } = await doctor(
    [QEMU, absent('unicorn-x64', 'x64', 'libunicorn 2.0.1 is too old')],
    false,
  );
  expect(output).toContain(
    'unicorn-x64           absent: libunicorn 2.0.1 is too old\n  to get it: npx mmucheck setup\n',
  );
  expect(status, 'x64 still has a machine').toBe(0);
});

test('an architecture without any machine is status 3', async () => {
  const { status, output } = await doctor([QEMU, absent('qemu-aarch64', 'aarch64', 'not found')], false);
  expect(status).toBe(3);
  expect(output).toContain('No machine runs aarch64 tables here. Run: npx mmucheck setup\n');
});

test('the JSON form holds the same, with AArch64 columns by their AArch64 names', async () => {
  const { status, output } = await doctor(
    [here('qemu-aarch64', 'aarch64', Known.FaultAddress | Known.Shareability)],
    true,
  );
  expect(status).toBe(0);
  expect(JSON.parse(output)).toMatchObject({
    tool: 'mmucheck',
    node: process.versions.node,
    machines: [
      {
        name: 'qemu-aarch64',
        architecture: 'aarch64',
        available: true,
        version: '7.2.22',
        observes: ['FAR', 'shareability'],
        features: ['LA57'],
        limits: ['reserved-bit faults come with P=0'],
        reason: null,
        fix: null,
      },
    ],
  });
});
