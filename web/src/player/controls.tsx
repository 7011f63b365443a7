import { Trans, useLingui } from '@lingui/react/macro';
import type { ReactNode } from 'react';
import { clock } from '~/lib/format';
import { useStore } from '~/lib/store';
import { cx } from '~/ui/cx';
import { Icon, type IconName } from '~/ui/icon';
import { icons } from '~/ui/more-icons';
import { Menu, MenuChoice, MenuLabel } from '~/ui/menu';
import { rates, type Player } from './player';
import { SeekBar } from './seek-bar';

export interface SubtitleChoice {
  label: string;
  locale: string;
}

interface Props {
  player: Player;
  subtitles: readonly SubtitleChoice[];
  thumbnailsUrl: string | null | undefined;
  fullscreen: boolean;
  onFullscreen: () => void;
  onPip: (() => void) | null;
  onSubtitle: (index: number) => void;
  onKeys: () => void;
  next: { label: string; onPress: () => void } | null;
}

const press =
  'grid size-11 shrink-0 place-items-center rounded-md text-white/90 transition-colors hover:bg-white/15 hover:text-white focus-visible:outline-focus';

function Press({ icon, label, onClick, className, size = 24 }: { icon: IconName; label: string; onClick: () => void; className?: string; size?: number }) {
  return (
    <button type="button" aria-label={label} title={label} onClick={onClick} className={cx(press, className)}>
      <Icon name={icon} size={size} />
    </button>
  );
}

export function Controls({ player, subtitles, thumbnailsUrl, fullscreen, onFullscreen, onPip, onSubtitle, onKeys, next }: Props) {
  const { t } = useLingui();
  const status = useStore(player.store, (s) => s.status);
  const second = useStore(player.store, (s) => Math.floor(s.positionMs / 1000));
  const durationMs = useStore(player.store, (s) => s.durationMs);
  const playing = status === 'playing' || status === 'loading';
  return (
    <div className="flex flex-col gap-1 text-white">
      <SeekBar player={player} thumbnailsUrl={thumbnailsUrl} />
      <div className="flex items-center gap-0.5 sm:gap-1">
        <Press
          icon={status === 'ended' ? icons.restart : playing ? icons.pause : 'play'}
          label={status === 'ended' ? t`Watch again` : playing ? t`Pause` : t`Play`}
          onClick={() => player.toggle()}
          size={28}
        />
        <Press icon={icons.restart} label={t`From the start`} onClick={() => player.seek(0)} className="max-sm:hidden" />
        <Volume player={player} />
        <span className="tabular ml-2 text-sm whitespace-nowrap text-white/90">
          {clock(second * 1000)}
          <span className="text-white/60"> / {clock(durationMs)}</span>
        </span>
        <span className="flex-1" />
        {next && <Press icon={icons.next} label={next.label} onClick={next.onPress} />}
        <TracksMenu player={player} subtitles={subtitles} onSubtitle={onSubtitle} />
        <SettingsMenu player={player} />
        <Press icon={icons.keyboard} label={t`Keys`} onClick={onKeys} className="hidden sm:pointer-fine:grid" />
        {onPip && <Press icon={icons.pip} label={t`Picture in picture`} onClick={onPip} className="max-sm:hidden" />}
        <Press icon={fullscreen ? icons.window : icons.full} label={fullscreen ? t`Leave full screen` : t`Full screen`} onClick={onFullscreen} />
      </div>
    </div>
  );
}

function Volume({ player }: { player: Player }) {
  const { t } = useLingui();
  const volume = useStore(player.store, (s) => s.volume);
  const muted = useStore(player.store, (s) => s.muted);
  const shown = muted ? 0 : volume;
  return (
    <span className="group/volume flex items-center">
      <Press icon={shown === 0 ? icons.mute : shown < 0.5 ? icons.volumeLow : icons.volume} label={muted ? t`Sound on` : t`Sound off`} onClick={() => player.toggleMuted()} />
      <input
        type="range"
        min={0}
        max={100}
        step={5}
        value={Math.round(shown * 100)}
        onChange={(event) => player.setVolume(Number(event.target.value) / 100)}
        aria-label={t`Volume`}
        className="hidden h-11 w-0 cursor-pointer opacity-0 accent-(--accent) transition-[width,opacity] group-focus-within/volume:w-20 group-focus-within/volume:opacity-100 group-hover/volume:w-20 group-hover/volume:opacity-100 sm:pointer-fine:block"
      />
    </span>
  );
}

function PlayerMenu({ icon, label, children }: { icon: IconName; label: string; children: ReactNode }) {
  return (
    <Menu
      side="top"
      trigger={
        <button type="button" aria-label={label} title={label} className={cx(press, 'data-[state=open]:bg-white/15')} data-player-menu>
          <Icon name={icon} size={24} />
        </button>
      }
    >
      {children}
    </Menu>
  );
}

function TracksMenu({ player, subtitles, onSubtitle }: { player: Player; subtitles: readonly SubtitleChoice[]; onSubtitle: (index: number) => void }) {
  const { t } = useLingui();
  const subtitle = useStore(player.store, (s) => s.subtitle);
  const audioTracks = useStore(player.store, (s) => s.audioTracks);
  const audio = useStore(player.store, (s) => s.audio);
  if (subtitles.length === 0 && audioTracks.length < 2) return null;
  return (
    <PlayerMenu icon={icons.subtitles} label={t`Subtitles and audio`}>
      {subtitles.length > 0 && (
        <>
          <MenuLabel>
            <Trans>Subtitles</Trans>
          </MenuLabel>
          <MenuChoice
            value={String(subtitle)}
            onChange={(value) => onSubtitle(Number(value))}
            options={[{ value: '-1', label: t`Off` }, ...subtitles.map((s, i) => ({ value: String(i), label: s.label }))]}
          />
        </>
      )}
      {audioTracks.length > 1 && (
        <>
          <MenuLabel>
            <Trans>Audio</Trans>
          </MenuLabel>
          <MenuChoice
            value={String(audio)}
            onChange={(value) => player.setAudio(Number(value))}
            options={audioTracks.map((track) => ({ value: String(track.id), label: track.label }))}
          />
        </>
      )}
    </PlayerMenu>
  );
}

function SettingsMenu({ player }: { player: Player }) {
  const { t, i18n } = useLingui();
  const levels = useStore(player.store, (s) => s.levels);
  const level = useStore(player.store, (s) => s.level);
  const shownLevel = useStore(player.store, (s) => s.shownLevel);
  const rate = useStore(player.store, (s) => s.rate);
  const height = levels.find((l) => l.id === shownLevel)?.height;
  const number = new Intl.NumberFormat(i18n.locale);
  return (
    <PlayerMenu icon={icons.gear} label={t`Quality and speed`}>
      {levels.length > 0 && (
        <>
          <MenuLabel>
            <Trans>Quality</Trans>
          </MenuLabel>
          <MenuChoice
            value={String(level)}
            onChange={(value) => player.setLevel(Number(value))}
            options={[
              { value: '-1', label: height && level === -1 ? t`Auto (${height}p)` : t`Auto` },
              ...levels.map((l) => ({ value: String(l.id), label: `${l.height}p` })),
            ]}
          />
        </>
      )}
      <MenuLabel>
        <Trans>Speed</Trans>
      </MenuLabel>
      <MenuChoice
        value={String(rate)}
        onChange={(value) => player.setRate(Number(value))}
        options={rates.map((r) => ({ value: String(r), label: r === 1 ? t`Normal` : `${number.format(r)}×` }))}
      />
    </PlayerMenu>
  );
}
