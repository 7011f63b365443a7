import { useEffect } from 'react';
import type { Player } from './player';

export interface KeyTargets {
  toggleFullscreen(): void;
  cycleSubtitles(): void;
  showKeys(): void;
  leave(): void;
  /** Any key wakes the controls. */
  wake(): void;
}

/** What each key does; the list behind `?` is written from the same table in keys-dialog.tsx. */
export function handleKey(event: KeyboardEvent, player: Player, targets: KeyTargets): boolean {
  if (event.ctrlKey || event.metaKey || event.altKey) return false;
  const target = event.target instanceof HTMLElement ? event.target : null;
  if (target && (/^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) || target.closest('[role=menu],[role=dialog]'))) return false;
  const onButton = !!target?.closest('button,a');
  switch (event.key) {
    case ' ':
      if (onButton) return false; // It presses the button.
      player.toggle();
      return true;
    case 'k':
    case 'K':
      player.toggle();
      return true;
    case 'j':
    case 'J':
      player.seekBy(-10_000);
      return true;
    case 'l':
    case 'L':
      player.seekBy(10_000);
      return true;
    case 'ArrowLeft':
      player.seekBy(-5_000);
      return true;
    case 'ArrowRight':
      player.seekBy(5_000);
      return true;
    case 'ArrowUp':
      player.setVolume(player.state.volume + 0.05);
      return true;
    case 'ArrowDown':
      player.setVolume(player.state.volume - 0.05);
      return true;
    case 'Home':
      player.seek(0);
      return true;
    case 'End':
      player.seek(player.state.durationMs);
      return true;
    case 'm':
    case 'M':
      player.toggleMuted();
      return true;
    case 'f':
    case 'F':
      targets.toggleFullscreen();
      return true;
    case 'c':
    case 'C':
      targets.cycleSubtitles();
      return true;
    case '<':
    case ',':
      player.stepRate(-1);
      return true;
    case '>':
    case '.':
      player.stepRate(1);
      return true;
    case '?':
      targets.showKeys();
      return true;
    case 'Escape':
      if (document.fullscreenElement) return false; // The browser leaves full screen.
      targets.leave();
      return true;
  }
  if (/^[0-9]$/.test(event.key)) {
    player.seek((player.state.durationMs * Number(event.key)) / 10);
    return true;
  }
  return false;
}

export function usePlayerKeys(player: Player | null, targets: KeyTargets) {
  useEffect(() => {
    if (!player) return;
    const onKey = (event: KeyboardEvent) => {
      targets.wake();
      if (handleKey(event, player, targets)) event.preventDefault();
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, [player, targets]);
}
