import type { LiveGuest } from '../../harness/live-guest.ts';
import type { GuestImage, Machine } from '../../harness/machine.ts';
import type { Registers } from '../../src/index.ts';

/** A machine with another guest in it. */
export function withGuest(machine: Machine, change: (guest: LiveGuest) => LiveGuest): Machine {
  return {
    name: machine.name,
    capabilities: machine.capabilities,
    load: (image) => machine.load(image),
    async loadLive(image: GuestImage) {
      if (machine.loadLive === undefined) throw new Error(`${machine.name} has no live tables`);
      const guest = await machine.loadLive(image);
      return change({
        update: () => guest.update(),
        invalidate: (operations) => guest.invalidate(operations),
        switchTables: async (registers: Registers) => guest.switchTables?.(registers),
        peek: (addresses) => guest.peek(addresses),
      });
    },
    probe: (probes) => machine.probe(probes),
    readBack: () => machine.readBack(),
    close: () => machine.close(),
  };
}
