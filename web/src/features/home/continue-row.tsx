import { Trans, useLingui } from '@lingui/react/macro';
import { Link } from '@tanstack/react-router';
import { useMutation } from 'urql';
import { graphql } from '~/gql/gql';
import type { ContinueCardFragment } from '~/gql/graphql';
import { useFaultText } from '~/lib/faults';
import { length } from '~/lib/format';
import { Icon } from '~/ui/icon';
import { LazyMenu } from '~/ui/lazy-menu';
import { menuItemClass } from '~/ui/menu-class';
import { Picture } from '~/ui/picture';
import { WatchBar } from '~/ui/progress';
import { Scroller } from '~/ui/scroller';
import { RowFrame } from '~/ui/title-row';
import { toast } from '~/ui/toast';

export const ContinueCardFields = graphql(/* GraphQL */ `
  fragment ContinueCard on ContinueWatching {
    playable {
      id
      name(locale: $locale)
      ... on Episode { number seasonNumber }
    }
    title {
      id
      name(locale: $locale)
      still { colour placeholder w320: url(width: 320) w640: url(width: 640) }
      poster { colour placeholder w400: url(width: 400) }
    }
    watchState { positionMs durationMs lastSeenAt }
  }
`);

const ForgetProgress = graphql(/* GraphQL */ `
  mutation ForgetProgress($input: ForgetProgressInput!) {
    forgetProgress(input: $input) { playable { id watchState { positionMs durationMs finished } } }
  }
`);

/** One that is still in the catalogue. */
type Watchable = ContinueCardFragment & {
  playable: NonNullable<ContinueCardFragment['playable']>;
  title: NonNullable<ContinueCardFragment['title']>;
};

export function ContinueRow({ items: all }: { items: readonly ContinueCardFragment[] }) {
  const { t } = useLingui();
  const items = all.filter((item): item is Watchable => item.playable != null && item.title != null);
  if (items.length === 0) return null;
  return (
    <RowFrame heading={t`Continue watching`}>
      <Scroller
        id="continue"
        label={t`Continue watching`}
        previousLabel={t`Back`}
        nextLabel={t`Further`}
        items={items}
        itemKey={(item) => item.playable.id}
        itemClassName="w-64 sm:w-72 3xl:w-80"
        render={(item, tabIndex) => <ContinueCard item={item} tabIndex={tabIndex} />}
      />
    </RowFrame>
  );
}

function ContinueCard({ item, tabIndex }: { item: Watchable; tabIndex: 0 | -1 }) {
  const { t, i18n } = useLingui();
  const words = useFaultText();
  const [, forget] = useMutation(ForgetProgress);
  const { playable, title, watchState } = item;
  const picture = title.still;
  const left = length(Math.max(0, watchState.durationMs - watchState.positionMs), i18n.locale);
  const percent = Math.round((100 * watchState.positionMs) / Math.max(1, watchState.durationMs));
  const remove = async () => {
    const { error } = await forget({ input: { playableId: playable.id } });
    if (error) toast(words(error), { tone: 'danger' });
    else toast(t`“${title.name}” is off this row.`);
  };
  return (
    <div className="group/card relative">
      <Link
        to="/watch/$playableId"
        params={{ playableId: playable.id }}
        tabIndex={tabIndex}
        draggable={false}
        data-item
        className="block rounded-md outline-offset-4"
      >
        <div className="relative">
          <Picture
            image={picture}
            sources={[[picture?.w320, 320], [picture?.w640, 640]]}
            sizes="(width >= 120rem) 320px, 288px"
            ratio="16/9"
            alt=""
            instead={title.name}
            className="rounded-md transition-shadow group-hover/card:shadow-[0_0_0_2px_var(--text-1)]"
          />
          <span className="absolute inset-0 grid place-items-center rounded-md opacity-0 transition-opacity group-focus-within/card:opacity-100 group-hover/card:opacity-100">
            <span className="grid size-12 place-items-center rounded-full bg-black/70 text-white">
              <Icon name="play" size={24} />
            </span>
          </span>
          <span data-theme="dark" className="absolute inset-x-3 bottom-3">
            <WatchBar fraction={watchState.positionMs / Math.max(1, watchState.durationMs)} label={t`${percent} % watched`} />
          </span>
        </div>
        <span className="mt-2 block truncate pr-11 text-sm leading-5 font-medium">{title.name}</span>
        <span className="block truncate pr-11 text-xs leading-5 text-text-3">
          {playable.__typename === 'Episode' ? t`S${playable.seasonNumber} E${playable.number} · ${left} left` : t`${left} left`}
        </span>
      </Link>
      <LazyMenu
        label={t`What to do with “${title.name}”`}
        className="absolute right-0 bottom-0 grid size-11 place-items-center rounded-md text-text-3 hover:bg-surface-2 hover:text-text-1"
        face={<Icon name="more" />}
      >
        {({ MenuItem }) => (
          <>
            <MenuItem asChild>
              <Link to="/title/$id" params={{ id: title.id }} state={(now) => ({ ...now, from: 'row' as const })} className={menuItemClass}>
                <Icon name="info" size={18} className="text-text-3" />
                <Trans>About it</Trans>
              </Link>
            </MenuItem>
            <MenuItem icon="close" onSelect={() => void remove()}>
              <Trans>Remove from this row</Trans>
            </MenuItem>
          </>
        )}
      </LazyMenu>
    </div>
  );
}
