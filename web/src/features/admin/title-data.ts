import { graphql } from '~/gql/gql';

export const AdminAsset = graphql(/* GraphQL */ `
  fragment AdminAsset on Asset {
    id
    kind
    ownerId
    filename
    size
    received
    state
    refusal
    uploadUrl
    createdAt
  }
`);

export const AdminEpisode = graphql(/* GraphQL */ `
  fragment AdminEpisode on EpisodeRecord {
    id
    seasonNumber
    number
    originalName
    durationMs
    translations { locale name tagline description }
    media { ...AdminMedia }
  }
`);

export const AdminRecord = graphql(/* GraphQL */ `
  fragment AdminRecord on TitleRecord {
    id
    kind
    version
    status
    originalName
    originalLanguage
    year
    endYear
    durationMs
    ageRating
    countries
    demo
    updatedAt
    translations { locale name tagline description }
    genres { id slug translations { locale name } }
    credits { kind characters { locale name } person { id name translations { locale name } } }
    seasons { id number episodes { ...AdminEpisode } }
    assets { ...AdminAsset }
    posterUrl(width: 400)
    stillUrl(width: 640)
    media { ...AdminMedia }
  }
`);

export const AdminTitleDocument = graphql(/* GraphQL */ `
  query AdminTitle($id: ID!) { titleRecord(id: $id) { ...AdminRecord } }
`);

/** What viewers see of it now, for the way from saved to visible. */
export const AdminVisibleDocument = graphql(/* GraphQL */ `
  query AdminVisible($id: ID!) {
    titleRecord(id: $id) {
      id
      version
      status
      title { id ... on Film { version } ... on Series { version } }
    }
  }
`);

/** Files and media alone: asked again while they change. */
export const AdminFilesDocument = graphql(/* GraphQL */ `
  query AdminFiles($id: ID!) {
    titleRecord(id: $id) {
      id
      posterUrl(width: 400)
      stillUrl(width: 640)
      assets { ...AdminAsset }
      media { ...AdminMedia }
      seasons { id number episodes { id seasonNumber number media { ...AdminMedia } } }
    }
  }
`);

export const UpdateTitleDocument = graphql(/* GraphQL */ `
  mutation UpdateTitle($input: UpdateTitleInput!) { updateTitle(input: $input) { record { ...AdminRecord } } }
`);
