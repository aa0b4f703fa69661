import { qemuAArch64 } from '../../qemu/qemu-aarch64.ts';
import { describeMachineContract } from './contract.ts';

describeMachineContract(qemuAArch64);
