import { hasStageTwo } from '../../../guest-stubs/aarch64/installation.ts';
import { Known } from '../../../src/outcome-list.ts';
import type { AArch64Registers } from '../../../src/registers.ts';
import type { Capabilities, GuestImage } from '../../machine.ts';
import { AArch64UnicornGuest } from './aarch64-guest.ts';
import { AArch64UnicornLiveGuest } from './aarch64-live-guest.ts';
import type { UnicornLibrary } from './library.ts';
import { unicornProvider } from './provider.ts';

/** Unicorn's software MMU for AArch64, in this process. */
export const unicornAArch64 = unicornProvider({
  name: 'unicorn-aarch64',
  architecture: 'aarch64',
  capabilities: capabilitiesOf,
  createGuest: (library, image) => createGuest(library, image, false),
  createLiveGuest(library, image) {
    const registers = image.registers as AArch64Registers;
    if (hasStageTwo(registers)) {
      throw new RangeError('with stage 2 tables cannot change while it runs: EL2 would have to invalidate');
    }
    const guest = createGuest(library, image, true);
    return { guest, live: new AArch64UnicornLiveGuest(guest, registers, image.memory) };
  },
});

function capabilitiesOf(version: string): Capabilities {
  return {
    architecture: 'aarch64',
    version,
    observes:
      Known.Completion | Known.FaultClass | Known.PhysicalAddress | Known.MemoryType | Known.Shareability,
    features: ['EL1&0', 'EL2', 'EL3', 'stage 2', '4K', '16K', '64K', 'HPDS', 'TBI'],
    limits: [
      'ESR and FAR are not observable: the class of a fault comes from the kind of exception',
      'the status of a fault comes from an AT beside the access, so a fetch that only execute-never bits forbid has none',
      'there are no address size faults: an output address beyond TCR.IPS or PS is used as it is',
      'FEAT_HAFDBS, E0PD, LVA, LPA, LPA2 and TTST are not there: images that use them are refused',
      'a fetch is made only where its content is harmless to execute, although none would be executed',
      'a TLBI of one address ends the translations of all',
      'while tables change only one half of the address space is probed, the one that is probed first; only the TLBIs of the level under test are carried out',
      'of a fault of stage 2 HPFAR_EL2 is observed, S1PTW is not; tables of stage 2 do not change while it runs',
      'physical addresses have 44 bits where addresses pass stage 1 as they are, and stage 2 translates no more than these',
      'EL2 with E2H is refused: AT S1E2R and S1E2W translate as if E2H were 0, unlike the accesses',
    ],
  };
}

function createGuest(
  library: UnicornLibrary,
  { registers, memory }: GuestImage,
  live: boolean,
): AArch64UnicornGuest {
  if (registers.architecture !== 'aarch64') {
    throw new RangeError(`cannot run ${registers.architecture} tables`);
  }
  return new AArch64UnicornGuest(library, registers, memory, live);
}
